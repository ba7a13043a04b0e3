"""Whatever a store's documents hold, every command on it ends with a table or one line."""

import json
import random
import shutil

import pytest

from defective.experiments.store import Store
from effort import effort
from runs import finish, plan_of

PLAN = plan_of("table7", "figure5", "figure14")
VALUES = [None, True, -1, 2**70, 1e400, -0.5, "", "\ud800", "../../x", "\x1b[2J", "x" * 5000, [], {}, {"a": {"b": []}}, [[]] * 9]
BYTES = [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b'{"seconds": 1e999}', b"\0" * 64]
COMMANDS = (
    "store ls --store store",
    "store export --store store --out out",
    "report --store store --out page",
    "store gc --store store",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("filled") / "store")
    store.note_plan(PLAN)
    *done, failed = PLAN.jobs
    for job in done:
        finish(
            store, job, **({"history": [{"epoch": 1, "test_accuracy": 0.5, "train_accuracy": 0.5}]} if job.kind == "train" else {})
        )
    store.fail(failed, ValueError("it broke"))
    return store.folder


def mutated(value, rng):
    """A document with one value somewhere in it replaced, removed or added."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return rng.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = rng.choice(keys)
    changed = value.copy()
    if isinstance(value, dict) and rng.random() < 0.2:
        del changed[key]
    elif isinstance(value, dict) and rng.random() < 0.1:
        changed[rng.choice(["more", "\ud800", "../x"])] = rng.choice(VALUES)
    else:
        changed[key] = mutated(value[key], rng)
    return changed


@pytest.mark.parametrize("seed", range(effort(6, 300)))
def test_commands_on_a_store_with_mutated_documents(filled, run, tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(filled, "store")
    files = sorted((tmp_path / "store").rglob("*.json"))
    for file in rng.sample(files, 12):
        if rng.random() < 0.3:
            file.write_bytes(rng.choice(BYTES))
        else:
            file.write_text(json.dumps(mutated(json.loads(file.read_text()), rng)))
    for command in COMMANDS:
        code, out, err = run(command)
        assert code in (0, 1, 2), (command, out, err)
        assert "Traceback" not in out + err and "\x1b" not in out + err
    outside = {path.name for path in tmp_path.iterdir()} - {"store", "out", "page"}
    assert not outside
