"""Layers are chosen by counting operations, the same on every machine; test_layer_times.py times them."""

import pytest

from defective.sparse import sparsify


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setitem(sparsify.__wrapped__.__kwdefaults__, "timed_images", 0)
