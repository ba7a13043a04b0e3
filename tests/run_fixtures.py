"""Fixtures of the tests that run jobs in a store."""

import os

import pytest

from runs import bench, few


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The folder of the small data set."""
    return few(tmp_path_factory.mktemp("campaign") / "few")


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def place(images, cache, tmp_path):
    """A bench with an empty store."""
    return bench(tmp_path / "store", images)
