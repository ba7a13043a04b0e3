"""What every test of an evaluation starts from."""

import os
from importlib import import_module

import pytest

from defective.evaluation import EvaluatedModel
from evaluations import OWN
from problems import level_set, plane


@pytest.fixture
def data():
    """Images that the first plane gets right."""
    return level_set(plane())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A crash of the machine is not part of these tests, the paper's six white-box attacks need not be all of them."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(import_module("defective.evaluation.evaluate"), "WHITE_BOX", OWN)


@pytest.fixture
def net():
    return plane()


@pytest.fixture
def source(net):
    return EvaluatedModel.of("source", net, level_set(net))
