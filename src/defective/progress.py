"""What every long computation shares: a progress bar, and a deadline after which nothing more is started."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from time import monotonic

from defective.errors import OutOfTime
from defective.text import one_line

Advance = Callable[..., None]
# Called as progress(description, total, unit="images"); yields what is called with each number of finished units.
Progress = Callable[..., AbstractContextManager[Advance]]

shown: ContextVar[bool] = ContextVar("progress_shown", default=False)
# In seconds of the monotonic clock.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def until(seconds: float | None) -> Iterator[None]:
    """Let work inside the block stop after so many seconds, at a place where all that is finished is kept.

    Training stops between two epochs, an evaluation between two chunks: one that has begun is finished first. Stored chunks are still
    read. What is stored nowhere is not stopped, as it could only begin anew.

    Args:
        seconds: From now on; None changes nothing. A block around this one may end earlier.

    Raises:
        OutOfTime: From the work inside, if some of it is left.

    Example:
        >>> with until(0):
        ...     check_deadline()
        Traceback (most recent call last):
        defective.errors.OutOfTime: the time is up: finished work is stored, and the same call resumes
    """
    outer = deadline.get()
    ends = [each for each in (outer, None if seconds is None else monotonic() + seconds) if each is not None]
    token = deadline.set(min(ends, default=None))
    try:
        yield
    finally:
        deadline.reset(token)


def time_left() -> float | None:
    """Seconds to the deadline, 0 if it has passed; None if there is none."""
    end = deadline.get()
    return None if end is None else max(0.0, end - monotonic())


def time_is_up() -> bool:
    """Whether there is a deadline and it has passed."""
    return time_left() == 0


def check_deadline() -> None:
    """Stop here if the time is up: to be called where all that is finished is kept.

    Raises:
        OutOfTime: If the deadline has passed.
    """
    if time_is_up():
        raise OutOfTime


@contextmanager
def silent(description: str, total: int, *, unit: str = "") -> Iterator[Advance]:
    """Yield an ``advance`` that shows nothing."""
    yield lambda n=1, note="": None


@contextmanager
def progress_bar(description: str, total: int, *, unit: str = "") -> Iterator[Advance]:
    """Yield ``advance(n=1, note="")``: move the bar by ``n`` of ``total`` and replace the note beside it.

    It is shown on the command line and in notebooks that have ipywidgets, and silent elsewhere.

    Example:
        >>> with progress_bar("counting", 3) as advance:
        ...     for _ in range(3):
        ...         advance(1, note="fine")
    """
    # Without ipywidgets rich shows a warning and blank lines in a notebook.
    in_notebook = "ipykernel" in sys.modules and find_spec("ipywidgets") is not None
    if not description or not (shown.get() or in_notebook):
        yield lambda n=1, note="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed and unit else "")

    # One line at any width: description and bar share what the numbers leave.
    whole = Column(no_wrap=True)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis")),
        BarColumn(None, table_column=Column(ratio=1)),
        Speed(whole),
        TextColumn("{task.fields[note]}", markup=False, table_column=whole),
        TimeRemainingColumn(table_column=whole),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task(one_line(description), total=total, note="")

        def advance(n: int = 1, note: str = "") -> None:
            if note:
                bar.update(task, note=one_line(note))
            bar.advance(task, n)

        yield advance
