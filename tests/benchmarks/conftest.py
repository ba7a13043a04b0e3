from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder with the script."""
    return ROOT / "benchmarks"
