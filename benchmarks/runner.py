"""Run commands one after the other, each with its own time limit; what is finished stays, whenever one or all are stopped."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

# Seconds between two looks at a command; what a step must have left to be begun; for a killed group to go.
LOOK, LEAST, GRACE = 0.05, 2.0, 10.0
# Bytes of the log that are kept, its end; lines of output in the document.
LOG, TAIL = 8 << 20, 25
Record = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A command with a limit.

    Attributes:
        part: Letter of the part that it belongs to; parts have limits of their own.
        name: What it is called in the document and the log.
        command: Program and arguments.
        limit: Seconds after which it is killed with all processes that it started.
        results: Files to copy to the output folder when it has ended, in whatever way.
        background: Begin it and go on with the next.
        after: Name of a step in the background to wait for.
        well: Exit codes of a command that ended well.
    """

    part: str
    name: str
    command: tuple[str, ...]
    limit: float
    results: tuple[Path, ...] = ()
    background: bool = False
    after: str = ""
    well: tuple[int, ...] = (0,)


class Running(NamedTuple):
    """A step that has begun."""

    step: Step
    process: "subprocess.Popen[bytes]"
    record: Record
    began: float


@dataclass
class Runner:
    """Runs steps; after each of them ``run.json`` and ``log.txt`` in the output folder are whole.

    Args:
        out: Folder for the results.
        parts: Part to its limit in seconds, all of its steps together.
        total: Seconds for everything.
        environment: Of the commands.
        clock, sleep: To be replaced in tests.
    """

    out: Path
    parts: Mapping[str, float]
    total: float
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def run(self, steps: Sequence[Step]) -> bool:
        """Run all steps; whether every one of them ended well."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.log, self.began = self.out / "log.txt", self.clock()
        self.log.write_text("")
        self.document: Record = {"num_evaluated": self.total, "limits": dict(self.parts), "steps": []}
        self.spent = dict.fromkeys(self.parts, 0.0)
        self.behind: list[Running] = []
        try:
            for step in steps:
                self._join(step.after)
                if step.background:
                    self.behind.append(self._begin(step, self._allowed(step)))
                else:
                    self._one(step)
            self._join(*(running.step.name for running in self.behind))
        finally:
            for running in self.behind:
                _kill(running.process)
            for left in self.out.glob(".*"):
                # What a step was writing when it was killed.
                left.unlink()
        return all(record["state"] == "done" for record in self.document["steps"])

    def _one(self, step: Step) -> None:
        allowed = self._allowed(step)
        if allowed < LEAST:
            self._record(step, allowed)["state"] = "no time left"
            self._write()
            return
        running = self._begin(step, allowed)
        try:
            while not self._over(running):
                self._reap()
                self.sleep(LOOK)
        except BaseException:
            _kill(running.process)
            raise
        self._end(running)

    def _reap(self) -> None:
        """End what runs in the background and is done, or has used up its time."""
        for running in [each for each in self.behind if self._over(each)]:
            self.behind.remove(running)
            self._end(running)

    def _join(self, *names: str) -> None:
        """Wait for steps in the background."""
        while any(running.step.name in names for running in self.behind):
            self._reap()
            self.sleep(LOOK)

    def _over(self, running: "Running") -> bool:
        return running.process.poll() is not None or self.clock() >= running.began + running.record["limit"]

    def _allowed(self, step: Step) -> float:
        left = self.total - (self.clock() - self.began)
        return min(step.limit, left, self.parts.get(step.part, left) - self.spent.get(step.part, 0.0))

    def _record(self, step: Step, allowed: float) -> Record:
        record: Record = {"part": step.part, "name": step.name, "limit": allowed, "state": "running", "seconds": 0.0, "tail": []}
        self.document["steps"].append(record)
        return record

    def _begin(self, step: Step, allowed: float) -> "Running":
        record = self._record(step, allowed)
        self._write()
        self._note(f"== ({step.part}) {step.name}, at most {allowed:.0f} s: {' '.join(step.command)}")
        # A file of its own first: what steps in the background say must not mix with the rest.
        with self._output(step).open("wb") as output:
            process = subprocess.Popen(
                step.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(self.environment),
                process_group=0,
                preexec_fn=_end_with_parent,
            )
        return Running(step, process, record, self.clock())

    def _end(self, running: "Running") -> None:
        """Write down what came of a step that is over, and end what is left of it."""
        step, process, record, began = running
        in_time = process.poll() is not None
        _kill(process)
        record["seconds"] = round(self.clock() - began, 2)
        if not step.background:
            self.spent[step.part] = self.spent.get(step.part, 0.0) + record["seconds"]
        record["state"] = ("done" if process.returncode in step.well else "failed") if in_time else "over its limit"
        record["code"] = process.returncode
        said = self._output(step).read_bytes()
        self._output(step).unlink()
        record["tail"] = said.decode(errors="replace").splitlines()[-TAIL:]
        with self.log.open("ab") as log:
            log.write(said[-LOG:])
        self._note(f"== ({step.part}) {step.name}: {record['state']} after {record['seconds']:.1f} s")
        if self.log.stat().st_size > LOG:
            self.log.write_bytes(self.log.read_bytes()[-LOG:])
        for result in step.results:
            if result.is_file():
                _replace(self.out / result.name, partial(shutil.copyfile, result))
        self._write()

    def _output(self, step: Step) -> Path:
        return self.out / f"{step.name.replace(' ', '-')}.out"

    def _note(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        with self.log.open("a") as log:
            log.write(f"{line}\n")

    def _write(self) -> None:
        self.document["seconds"] = round(self.clock() - self.began, 2)
        text = json.dumps(self.document, indent=1)
        _replace(self.out / "run.json", lambda temporary: temporary.write_text(text))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    write(temporary)
    temporary.replace(path)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a command and all processes that it started and that are still in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        # It hangs in the driver; the rest goes on.
        process.returncode = -signal.SIGKILL


def _end_with_parent() -> None:
    """Ask Linux (PR_SET_PDEATHSIG) to kill this process when the runner is gone, even if that was killed itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
