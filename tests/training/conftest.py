import pytest

from run_fixtures import images, no_power_cuts, place  # noqa: F401
from trainings import some_shapes


@pytest.fixture(scope="session")
def data():
    """A few images, on which a small net takes a few steps."""
    return some_shapes(60)
