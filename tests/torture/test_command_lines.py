"""Whatever is typed, a command ends with exit code 0, 1 or 2 and one line for an error, never with a traceback."""

import gc
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import requests
import torch

# Loaded late by torch itself: an interrupt in its midst would leave it half loaded for the tests that follow.
import torch._dynamo
from hypothesis import HealthCheck, given, settings

from defective import build, save
from defective.cli import main
from effort import LONG, effort
from image_files import pack
from runs import few, filled_store, plan_of
from torture.hostile import command_lines

OWN = Path(__file__).parents[1] / "cli" / "own_nets.py"
# A command that works for longer is interrupted.
SECONDS = 3 if LONG else 0.5


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    place = tmp_path_factory.mktemp("torture") / "original"
    few(place / "few", train=8, test=4)
    pack(place / "few", place / "few.zip")
    for name, spec in (("plain", "resnet18"), ("bottom", "resnet18/0.5-bottom")):
        save(build(spec, num_classes=2, image_size=16, width_mult=0.0625), place / f"{name}.safetensors")
    torch.save(build("resnet18", num_classes=2, image_size=16, width_mult=0.0625).state_dict(), place / "weights.pt")
    whole = (place / "plain.safetensors").read_bytes()
    (place / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (place / "notes.txt").write_text("no archive")
    shutil.copy(OWN, place / "own.py")
    filled_store(place / "store", plan_of("table7", "figure5"), every=5)
    return place


@pytest.fixture
def interrupted(monkeypatch):
    """A list that gets an entry whenever the time of a command is up."""
    stops = []

    def stop(*_):
        stops.append(True)
        os.kill(os.getpid(), signal.SIGINT)

    def offline(*_, **__):
        raise requests.ConnectionError("no network in this test")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr(requests.Session, "request", offline)
    before = signal.signal(signal.SIGALRM, stop), signal.signal(signal.SIGINT, signal.default_int_handler)
    yield stops
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before[0])
    signal.signal(signal.SIGINT, before[1])


def reset(place, original):
    """The folder as it was, under the same name: imported modules stay where they were."""
    for left in place.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    shutil.copytree(original, place, dirs_exist_ok=True)


def check(arguments, code, out, err, stopped):
    assert code in ({0, 1, 2, 130} if stopped else {0, 1, 2}), (code, err)
    assert "Traceback" not in err and not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", out + err), err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if code in (2, 130):
        assert len(errors) == 1 and err.endswith(f"{errors[0]}\n") and len(errors[0]) < 3000, err
    elif "--json" in arguments and "--help" not in arguments:
        json.loads(out)


@pytest.mark.slow
# An interrupt leaves files open that others have opened.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_any_command_line(original, tmp_path, cache, monkeypatch, capsys, interrupted, record_property):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))
    codes = []

    @settings(
        max_examples=effort(40, 4000), derandomize=not LONG, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(command_lines())
    def ends_well(arguments):
        reset(place, original)
        # One of hypothesis would swallow an interrupt.
        gc.callbacks.clear()
        capsys.readouterr()
        stops = len(interrupted)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            code = main(arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        codes.append(code)
        check(arguments, code, *capsys.readouterr(), len(interrupted) > stops)

    ends_well()
    for code in sorted(set(codes)):
        record_property(f"command lines that ended with {code}", codes.count(code))
