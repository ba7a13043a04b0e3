"""What all tests share: real images where they are, a cache of their own, tiny nets."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor, nn

import every_attack
from defective import attacks, machine
from defective.experiments.store import Store
from effort import LONG

# Test files, by the beginning of their path below tests/, to what of the package runs on the device of --device when they call it.
ON_DEVICE = {
    "attacks/": set(attacks.__all__) | {"cw"},
    "test_surgery": {"defect_", "restore_"},
}

# Beside other workers one thread each, also in processes that tests start: more would wait for each other most of the time.
if os.environ.get("PYTEST_XDIST_WORKER"):
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need it skip where there is none."""
    # Only they need Playwright.
    from browser import find, opened

    program = find()
    if program is None:
        pytest.skip("no Chromium on this machine")
    with opened(program) as tab:
        yield tab


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that a test neither finds nor leaves anything."""
    monkeypatch.setenv("DEFECTIVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def small_net() -> nn.Module:
    """A plain convolutional model that is not a built-in one, in float64."""
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests of robustness counted, where they were asked to try hard."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []) if LONG else ():
        for what, many in report.user_properties:
            counts[what] += many
    for what, many in counts.items():
        terminalreporter.write_line(f"{many:>8,} {what}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="run on this device, as cuda, the tests that can; the others are left out")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another device than the CPU, leave out what would run on the CPU all the same."""
    if config.getoption("--device") != "cpu":
        able = [
            item
            for item in items
            if "device" in getattr(item, "fixturenames", ()) or carried_names(item.path) or "gpu" in item.path.stem
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in able])
        items[:] = able


@pytest.fixture(scope="session", autouse=True)
def in_fp32() -> Iterator[None]:
    """Which precision is faster depends on the processor and its load; numbers of models that tests train must not."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machine, "_faster_in_bf16", lambda *processor: False)
        yield


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    """Forget what a test compiled: torch keeps eight compiled forms of a function and refuses the ninth, whichever test made them."""
    yield
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where to run what is tested: the CPU, or what ``--device`` names."""
    return str(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def on_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--device``, let the functions under test work there; tests go on to make and look at tensors of the CPU."""
    place = request.config.getoption("--device")
    if place != "cpu":
        # Tests compare in full precision; TF32 rounds to 10 bits.
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    if place != "cpu" and isinstance(module := getattr(request, "module", None), ModuleType):
        for owner, name in product((module, every_attack), carried_names(request.path)):
            if hasattr(owner, name):
                monkeypatch.setattr(owner, name, carried(getattr(owner, name), place))


def carried_names(path: Path) -> set[str]:
    """What of a test file's names runs on the device."""
    place = path.relative_to(Path(__file__).parent).as_posix() if path.is_relative_to(Path(__file__).parent) else ""
    return next((names for beginning, names in ON_DEVICE.items() if place.startswith(beginning)), set())


def carried(function: Callable[..., Any], device: str) -> Callable[..., Any]:
    """``function`` with the models and tensors among its arguments on a device; what comes back lies on the CPU."""

    @wraps(function)
    def there(*args: Any, **keywords: Any) -> Any:
        nets = [each for each in (*args, *keywords.values()) if isinstance(each, nn.Module)]
        try:
            for net in nets:
                net.to(device)
            found = function(*(_at(each, device) for each in args), **{key: _at(each, device) for key, each in keywords.items()})
        finally:
            for net in nets:
                net.cpu()
        return _at(found, "cpu")

    return there


def _at(value: Any, device: str) -> Any:
    if isinstance(value, Tensor | nn.Module):
        return value.to(device)
    if isinstance(value, attacks.DecisionBasedResult):
        return attacks.DecisionBasedResult(*(each.to(device) for each in (value.x_adv, value.queries, value.started)))
    return value
