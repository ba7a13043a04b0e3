"""Several processes on one store, and processes that are killed: everything is done once, and ends as if undisturbed."""

import random
import secrets
import signal
import time
from itertools import pairwise

import pytest

from effort import effort
from runs import held
from whole_runs import JOBS, begin, end, numbers

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [2, 3][: effort(1, 2)] * effort(1, 5))
def test_processes_share_the_work(fewer, tmp_path, undisturbed, record_property, count):
    made = [end(process) for process in [begin(tmp_path / "store", fewer) for _ in range(count)]]
    record_property("runs of two or three processes at once", 1)
    assert sum(each["jobs"]["executed"] for each in made) == JOBS
    assert [each["jobs"]["finished"] for each in made] == [JOBS] * count and not any(each["failed"] for each in made)
    assert [numbers(each) for each in made] == [undisturbed[2]] * count
    assert held(tmp_path / "store") == undisturbed[1]
    assert not list((tmp_path / "store" / "running").iterdir())


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT][: effort(1, 3)] * effort(1, 9))
def test_stopped_again_and_again_it_ends_as_if_undisturbed(fewer, tmp_path, undisturbed, record_property, signal_sent):
    # Another moment in each run of the tests; the seed says which.
    seed = secrets.randbelow(1000)
    print("seed", seed)
    store, chance = tmp_path / "store", random.Random(seed)
    done = []
    for _ in range(effort(2, 8)):
        process = begin(store, fewer)
        # Some way into a job: the line that it has begun is written before.
        for _ in range(chance.randint(1, 5)):
            process.stderr.readline()
        time.sleep(chance.random() * 0.5)
        process.send_signal(signal_sent)
        _, err = process.communicate()
        # The last two: as its work was just done.
        assert process.returncode in ({-signal.SIGKILL, 0, 1} if signal_sent == signal.SIGKILL else {130, -signal_sent, 0, 1}), err
        assert "Traceback" not in err
        if process.returncode == 130:
            assert not [file for file in tmp_path.rglob(".*") if file.is_file()], "temporary files are removed"
        ended = "stopped by" if process.returncode not in (0, 1) else "that ended before"
        record_property(f"runs {ended} {signal_sent.name}", 1)
        done.append(sorted(place.name for place in (store / "jobs").iterdir()) if (store / "jobs").is_dir() else [])
    assert all(set(one) <= set(other) for one, other in pairwise(done))
    # Then by a time budget, and not any more.
    for options in (["--time-budget", "3s"], []):
        before, made = len(done[-1]), end(begin(store, fewer, *options))
        done.append(sorted(place.name for place in (store / "jobs").iterdir()))
        new, left = len(done[-1]) - before, JOBS - len(done[-1])
        assert made["jobs"] == {"finished": len(done[-1]), "failed": 0, "blocked": 0, "pending": left, "executed": new}
    assert left == 0
    assert (held(store), numbers(made)) == undisturbed[1:]
    assert not list((store / "running").iterdir())
