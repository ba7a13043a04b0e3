import os
from pathlib import Path

import pytest

from exhibits import setup_of


@pytest.fixture(scope="session")
def paper_text():
    """The text of the paper, which is not in the repository."""
    if "DEFECTIVE_PAPER_TEXT" not in os.environ:
        pytest.skip("DEFECTIVE_PAPER_TEXT names no file with the paper's text")
    return Path(os.environ["DEFECTIVE_PAPER_TEXT"]).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def setup():
    """The setup of scale tiny."""
    return setup_of("tiny")
