"""What all tests share: real images where they are, a cache of their own, tiny nets."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import nn

torch.set_num_threads(1 if os.environ.get("PYTEST_XDIST_WORKER") else torch.get_num_threads())
# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real image archives; tests that need it skip where it is not named."""
    folder = os.environ.get("DEFECTIVE_TEST_DATA")
    if not folder:
        pytest.skip("DEFECTIVE_TEST_DATA is not set: no real images here")
    return Path(folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that a test neither finds nor leaves anything."""
    monkeypatch.setenv("DEFECTIVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def small_net() -> nn.Module:
    """A plain convolutional net that is not of the zoo, in float64."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 5),
    )
    return net.double().eval()
