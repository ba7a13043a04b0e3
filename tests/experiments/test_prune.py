import os
import time

import pytest

from defective.experiments.prune import prune
from defective.experiments.store import Store
from runs import net

HOUR = 3600.0


@pytest.fixture
def store(tmp_path):
    """A part of an attack and a half-written file, each of so many hours ago."""
    made = Store(tmp_path / "store")
    for hours in (0.1, 0.9, 1.1, 30):
        for name in (
            f"chunks/ab/{hours}.safetensors",
            f"chunks/ab/.{hours}.safetensors.1-ab",
            f"plans/.{hours}.json.1-ab",
            f"locks/.{hours}.json.1-ab",
        ):
            file = made.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"0123456789")
            os.utime(file, (time.time() - HOUR * hours,) * 2)
    return made


def left(store):
    return sorted({float(file.name.strip(".").split(".s")[0].split(".j")[0]) for file in store.folder.rglob("*") if file.is_file()})


@pytest.mark.parametrize(("days", "kept"), [(0, [0.1, 0.9]), (1, [0.1, 0.9, 1.1]), (2, [0.1, 0.9, 1.1, 30])])
def test_of_the_last_hour_everything_stays(store, days, kept):
    places = 4 * (4 - len(kept))
    assert prune(store, days=days, dry_run=True) == prune(store, days=days) == (10 * places, places)
    assert left(store) == kept


def test_an_unfinished_job_goes_at_once_but_for_the_one_that_a_process_is_at(store):
    """Its lock says so, and stays the same."""
    with store.working(net()) as place:
        (place / "half").write_bytes(b"0123456789")
        assert prune(store, days=0)[1] == 8 and (place / "half").exists()
        with Store(store.folder).working(net()) as second:
            assert second is None
    assert prune(store, days=0, dry_run=True)[1] == 1 and store.unfinished()
    assert prune(store, days=0)[1] == 1 and store.unfinished() == []
