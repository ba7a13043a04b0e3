"""Steps with limits: whatever stops one of them or all, what was finished is there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import runner

SCRIPT = Path(__file__).with_name("stuck_run.py")


class Clock:
    """A clock that stands still until a step makes a file, which says how many seconds pass at once."""

    def __init__(self, file):
        self.file, self.now = file, 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        time.sleep(0.01)
        if self.file.exists() and (text := self.file.read_text()):
            self.now += float(text)
            self.file.unlink()


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "seconds")


@pytest.fixture
def make(tmp_path, clock):
    def make(parts, total=1000.0):
        return runner.Runner(tmp_path / "out", parts, total, dict(os.environ), clock, clock.sleep)

    return make


@pytest.fixture
def step(tmp_path):
    """A step that runs some Python, which knows the folders ``made`` and ``here``."""
    (tmp_path / "made").mkdir()

    def step(name, code, limit=100.0, part="a", results=(), **more):
        start = f"from pathlib import Path\nhere = Path({str(tmp_path)!r})\nmade = here / 'made'\n"
        files = tuple(tmp_path / "made" / result for result in results)
        return runner.Step(part, name, (sys.executable, "-c", start + code), limit, files, **more)

    return step


def document(tmp_path):
    return json.loads((tmp_path / "out" / "run.json").read_text())


def states(tmp_path):
    return {record["name"]: record["state"] for record in document(tmp_path)["steps"]}


def wait_for(reached):
    while not reached():
        time.sleep(0.01)


def running(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


STUCK = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
(here / "child").write_text(str(child.pid))
(made / "half.json").write_text('{"whole": 1}')
print("so far", flush=True)
temporary = here / "seconds.new"
temporary.write_text("101")
temporary.replace(here / "seconds")
time.sleep(1e6)
"""


def test_a_step_over_its_limit_leaves_the_others_and_their_results(make, step, tmp_path):
    steps = [
        step("first", "(made / 'first.json').write_text('{}'); print('fine')", results=["first.json"]),
        step("stuck", STUCK, results=["half.json"]),
        step("last", "(made / 'last.json').write_text('{}')", results=["last.json"]),
    ]
    assert not make({"a": 500.0}).run(steps)
    assert states(tmp_path) == {"first": "done", "stuck": "over its limit", "last": "done"}
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "first.json",
        "half.json",
        "last.json",
        "log.txt",
        "run.json",
    ]
    assert json.loads((tmp_path / "out" / "half.json").read_text()) == {"whole": 1}
    first, stuck, _ = document(tmp_path)["steps"]
    assert first["tail"] == ["fine"] and first["seconds"] == 0 and first["code"] == 0
    assert stuck["tail"] == ["so far"] and stuck["seconds"] == 101 and stuck["limit"] == 100
    # All that it started is gone too.
    wait_for(lambda: not running(int((tmp_path / "child").read_text())))
    log = (tmp_path / "out" / "log.txt").read_text()
    assert log.index("fine") < log.index("so far") < log.index("(a) stuck: over its limit after 101.0 s") < log.index("last: done")


def passes(seconds):
    return (
        f"(here / 'new').write_text('{seconds}'); (here / 'new').replace(here / 'seconds')\nwhile (here / 'seconds').exists(): pass"
    )


def test_parts_and_all_of_them_have_limits_too(make, step, tmp_path):
    steps = [
        step("a1", passes(40), part="a"),
        step("a2", passes(15), part="a"),
        step("a3", "", part="a"),
        step("b1", passes(30), part="b"),
        step("b2", "", part="b"),
    ]
    assert not make({"a": 50.0, "b": 500.0}, total=86.0).run(steps)
    assert states(tmp_path) == {
        "a1": "done",
        "a2": "over its limit",
        "a3": "no time left",
        "b1": "done",
        "b2": "no time left",
    }
    assert [record["limit"] for record in document(tmp_path)["steps"]] == [50, 10, -5, 31, 1]


def test_a_step_in_the_background_is_waited_for_where_it_is_needed(make, step, tmp_path):
    ready = "while not (here / 'go').exists(): pass\n(made / 'ready').write_text('')"
    steps = [
        step("behind", ready, background=True),
        step("before", "(here / 'go').write_text(''); assert True"),
        step("needs", "assert (made / 'ready').exists()", after="behind"),
    ]
    assert make({"a": 500.0}).run(steps)
    assert states(tmp_path) == dict.fromkeys(("behind", "before", "needs"), "done")


def test_a_step_in_the_background_has_its_limit(make, step, tmp_path):
    steps = [step("behind", "import time; time.sleep(1e6)", limit=20.0, background=True), step("other", passes(30))]
    assert not make({"a": 500.0}).run(steps)
    assert states(tmp_path) == {"behind": "over its limit", "other": "done"}


def test_a_failing_step_leaves_the_others(make, step, tmp_path):
    steps = [step("wrong", "raise SystemExit(3)"), step("accepted", "raise SystemExit(3)", well=(0, 3)), step("right", "")]
    assert not make({"a": 500.0}).run(steps)
    assert states(tmp_path) == {"wrong": "failed", "accepted": "done", "right": "done"}
    assert document(tmp_path)["steps"][0]["code"] == 3


def test_the_log_keeps_its_end(make, step, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LOG", 2000)
    assert make({"a": 500.0}).run([step("talks", "print('x' * 5000); print('the end')")])
    log = tmp_path / "out" / "log.txt"
    assert log.stat().st_size <= 2000 and "the end" in log.read_text() and "talks: done" in log.read_text()


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_any_step_what_was_finished_is_there(tmp_path, done, signal_number):
    names = ("one", "two", "three")
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name in names[:done]:
        (tmp_path / name).write_text("")
    wait_for(lambda: (tmp_path / "made" / f"{names[done]}.json").exists())
    wait_for(lambda: states(tmp_path).get(names[done]) == "running")
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal_number)
    process.wait()
    assert states(tmp_path) == dict.fromkeys(names[:done], "done") | {names[done]: "running"}
    for name in names[:done]:
        assert json.loads((tmp_path / "out" / f"{name}.json").read_text()) == {"whole": True}
    assert (tmp_path / "out" / f"{names[done]}.out").read_text() == "begun\n"
    wait_for(lambda: not running(int(child)))
