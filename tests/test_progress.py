from contextlib import nullcontext
from contextvars import Context

import pytest

from defective import progress
from defective.errors import OutOfTime
from defective.progress import check_deadline, deadline, progress_bar, shown, until


@pytest.fixture
def visible(request):
    token = shown.set(request.param)
    yield
    shown.reset(token)


def count_to_three() -> None:
    with progress_bar("counting", 3, unit="sheep") as advance:
        advance()
        advance(2, note="all there")
        advance(0)


@pytest.mark.parametrize("visible", [False], indirect=True)
def test_a_library_prints_nothing(visible, capfd):
    count_to_three()
    assert capfd.readouterr() == ("", "") and Context().run(shown.get) is False


@pytest.mark.parametrize("visible", [True], indirect=True)
def test_the_command_line_shows_it_on_standard_error_alone(visible, capsys):
    count_to_three()
    out, err = capsys.readouterr()
    assert out == "" and "counting" in err and "all there" in err


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    hands = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: hands[0])
    return hands


@pytest.mark.parametrize(("now", "late"), [(100, False), (159, False), (160, True), (1000, True)])
def test_new_work_is_refused_from_the_deadline_on(clock, now, late):
    with until(60):
        clock[0] = now
        with pytest.raises(OutOfTime, match="finished work is stored") if late else nullcontext():
            check_deadline()
        # A bar may move all the same.
        count_to_three()
    check_deadline()


@pytest.mark.parametrize(
    ("outer", "inner", "end"), [(60, 5, 105), (5, 60, 105), (60, None, 160), (None, 5, 105), (None, None, None)]
)
def test_the_earlier_of_two_deadlines_holds(clock, outer, inner, end):
    with until(outer):
        before = deadline.get()
        with until(inner):
            assert deadline.get() == end
        assert deadline.get() == before
    assert deadline.get() is None


@pytest.mark.parametrize("visible", [True], indirect=True)
def test_names_are_shown_literally(visible, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("[/b] :factory: \x1b[31m", 1) as advance:
        advance(1, note="[x] \x07")
    err = capsys.readouterr().err
    assert r"[/b] :factory: \x1b[31m" in err and r"[x] \x07" in err
