import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder with the scripts, which are no part of the package."""
    return BENCHMARKS


@pytest.fixture(scope="session")
def runner():
    """The module that runs the steps."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("runner")
    finally:
        sys.path.remove(str(BENCHMARKS))
