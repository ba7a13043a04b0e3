"""Fixtures of the tests that run jobs in a store."""

import os

import pytest

from runs import bench, few, held
from whole_runs import JOBS, begin, end, numbers


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The folder of the small data set."""
    return few(tmp_path_factory.mktemp("run") / "few")


@pytest.fixture(scope="session")
def fewer(tmp_path_factory):
    """The folder of the data set of whole runs, which need not learn it."""
    return few(tmp_path_factory.mktemp("whole") / "few", train=8, test=4)


@pytest.fixture(scope="session")
def undisturbed(fewer, tmp_path_factory):
    """The store of a whole run in a process of its own, what it holds, and the numbers that the run says."""
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    made = end(begin(store, fewer))
    assert made["jobs"] == {"finished": JOBS, "failed": 0, "blocked": 0, "pending": 0, "executed": JOBS}
    return store, held(store), numbers(made)


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def place(images, cache, tmp_path):
    """A bench with an empty store."""
    return bench(tmp_path / "store", images)
