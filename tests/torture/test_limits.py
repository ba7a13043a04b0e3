"""A full disk, a read-only one, too little memory, a report that is killed: one line, nothing lost, equal bytes at the end."""

import hashlib
import random
import resource
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from effort import effort
from runs import held
from whole_runs import JOBS, begin, command_in_process, end, numbers

# Whole runs of 31 jobs and whole reports, in processes that can be limited and killed: 10 to 30 s each.
pytestmark = pytest.mark.slow
REPORT = [sys.executable, "-m", "defective", "report"]
# Limits memory after all is loaded, to so many bytes more than that took.
LIMITED = """
import resource, sys
from defective.cli import main
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv.pop(1)),) * 2)
sys.exit(main())
"""


@pytest.fixture
def chance():
    seed = secrets.randbelow(10_000)
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture
def disk(tmp_path):
    """Makes ``tmp_path / "disk"`` a file system of so many bytes, or a read-only one, where the user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount(options):
        again = "remount," if mounted else ""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", again + options, "none", place], capture_output=True)
        mounted.extend([True] * (done.returncode == 0))
        return done.returncode == 0

    yield place, mount
    if mounted:
        subprocess.run(["umount", place], check=True)


def ended_in_one_line(process, *words, aborts=False):
    _, err = process.communicate()
    if aborts and process.returncode in (-signal.SIGABRT, -signal.SIGSEGV):
        return process.returncode
    assert process.returncode in (0, 1, 2) and "Traceback" not in err, err
    if process.returncode == 2:
        line = err.splitlines()[-1]
        assert err.count("error: ") == 1 and line.startswith("error: ") and any(word in line for word in words), err
    return process.returncode


@pytest.mark.parametrize("attempt", range(effort(1, 25)))
def test_a_full_disk_and_then_too_little_memory(fewer, undisturbed, disk, chance, record_property, attempt):
    place, mount = disk
    size = sum(file.stat().st_size for file in undisturbed[0].rglob("*"))
    if mount(f"size={chance.randrange(64_000, size)}"):
        process = begin(place / "store", fewer)
    else:
        limit = chance.randrange(10_000, 200_000)
        process = begin(place / "store", fewer, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    code = ended_in_one_line(process, "No space left on device", "File too large")
    record_property(f"runs on a disk that is too small, ended with {code}", 1)
    mount("size=1g")
    more = chance.randrange(1_000_000, 200_000_000)
    options = ["reproduce", "table9", "--data", f"folder:{fewer}", "--store", str(place / "store"), "--device", "cpu"]
    process = command_in_process([sys.executable, "-c", LIMITED, str(more), *options], place / "cache")
    # Where native code finds no memory, in a library's own thread or in CPython, it ends the process.
    code = ended_in_one_line(process, "memory", aborts=True)
    record_property(f"runs with too little memory, ended with {code}", 1)
    made = end(begin(place / "store", fewer))
    assert made["jobs"]["finished"] == JOBS and numbers(made) == undisturbed[2] and held(place / "store") == undisturbed[1]


def test_a_disk_that_can_only_be_read(fewer, undisturbed, disk):
    place, mount = disk
    if not mount("size=1g"):
        pytest.skip("this user may mount nothing")
    subprocess.run(["cp", "-r", undisturbed[0], place / "store"], check=True)
    mount("ro")
    assert ended_in_one_line(begin(place / "store", fewer), f"{place / 'store'}") == 2
    page = place.parent / "page"
    process = command_in_process([*REPORT, "--store", str(place / "store"), "--out", str(page)], place.parent)
    assert ended_in_one_line(process) == 0 and (page / "index.html").exists()


def tree(folder):
    """The files, but for what was being written as it was killed."""
    files = [file for file in folder.rglob("[!.]*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_report_that_is_killed(undisturbed, tmp_path, chance, record_property):
    def report(out):
        return command_in_process([*REPORT, "--store", str(undisturbed[0]), "--out", str(out)], tmp_path)

    started = time.monotonic()
    assert ended_in_one_line(report(tmp_path / "whole")) == 0
    took = time.monotonic() - started
    for _ in range(effort(1, 25)):
        process = report(tmp_path / "killed")
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(took / 2, took))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        record_property("reports that were killed", 1)
    assert ended_in_one_line(report(tmp_path / "killed")) == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
