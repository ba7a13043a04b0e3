"""Attacks of Foolbox, torchattacks and ART behind one face: functions of nothing that return attacked images."""

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

Act = Callable[[], Tensor]
# Our name of a peer to that of its distribution.
PEERS = {"Foolbox": "foolbox", "torchattacks": "torchattacks", "ART": "adversarial-robustness-toolbox"}
_MODULES = {"Foolbox": "foolbox", "torchattacks": "torchattacks", "ART": "art.attacks.evasion"}


def versions() -> dict[str, str]:
    """Peers that are installed, and which version of each."""
    found = {}
    for name, distribution in PEERS.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def missing() -> list[str]:
    """A line for each peer that is not installed."""
    here = versions()
    return [f"{name} is not installed" for name in PEERS if name not in here]


def gradient(name: str, attack: str, net: nn.Module, x: Tensor, y: Tensor, **numbers: float) -> Act | None:
    """A peer's ``fgsm``, ``pgd`` or ``mifgsm``; None where it has none with the same definition, or is not installed.

    Args:
        name: One of :data:`PEERS`.
        attack: Name of the attack.
        net, x, y: What to attack.
        numbers: ``eps``, ``step_size``, ``steps``.
    """
    eps, step, steps = numbers["eps"], numbers["step_size"], numbers["steps"]
    match name, attack:
        case "Foolbox", "fgsm":
            return _foolbox(net, x, y, "LinfFastGradientAttack", eps, random_start=False)
        case "Foolbox", "pgd":
            options = {"abs_stepsize": step, "steps": steps, "random_start": False}
            return _foolbox(net, x, y, "LinfProjectedGradientDescentAttack", eps, **options)
        case "torchattacks", "fgsm":
            return _torchattacks(net, x, y, "FGSM", eps=eps)
        case "torchattacks", "pgd":
            return _torchattacks(net, x, y, "PGD", eps=eps, alpha=step, steps=steps, random_start=False)
        case "torchattacks", "mifgsm":
            return _torchattacks(net, x, y, "MIFGSM", eps=eps, alpha=step, steps=steps, decay=1.0)
        case "ART", "fgsm":
            return _art(net, x, y, "FastGradientMethod", eps=eps, batch_size=len(x))
        case "ART", "pgd" | "mifgsm":
            kind = "BasicIterativeMethod" if attack == "pgd" else "MomentumIterativeMethod"
            return _art(net, x, y, kind, eps=eps, eps_step=step, max_iter=steps, batch_size=len(x), verbose=False)
    # Foolbox's MI-FGSM does not divide by the norm of the gradient: another attack.
    return None


def carlini_wagner(name: str, net: nn.Module, x: Tensor, y: Tensor, **numbers: Any) -> Act | None:
    """A peer's CW-L2; torchattacks searches no constant, so that it takes part only where one is tried.

    Args:
        numbers: ``confidence``, ``steps``, ``search_steps``, ``lr``, ``initial_const``.
    """
    confidence, steps, search, lr, const = (numbers[key] for key in ("confidence", "steps", "search_steps", "lr", "initial_const"))
    if name == "Foolbox":
        options = {"steps": steps, "stepsize": lr, "confidence": confidence, "initial_const": const}
        return _foolbox(net, x, y, "L2CarliniWagnerAttack", None, binary_search_steps=search, **options)
    if name == "ART":
        options = {"max_iter": steps, "learning_rate": lr, "confidence": confidence, "initial_const": const}
        return _art(net, x, y, "CarliniL2Method", binary_search_steps=search, batch_size=len(x), verbose=False, **options)
    return _torchattacks(net, x, y, "CW", c=const, kappa=confidence, steps=steps, lr=lr) if search == 1 else None


def boundary(name: str, net: nn.Module, x: Tensor, y: Tensor, *, steps: int) -> Act | None:
    """A peer's boundary attack of so many steps."""
    if name == "Foolbox":
        return _foolbox(net, x, y, "BoundaryAttack", None, steps=steps)
    return _art(net, x, y, "BoundaryAttack", targeted=False, max_iter=steps, verbose=False) if name == "ART" else None


def hopskipjump(name: str, net: nn.Module, x: Tensor, y: Tensor, *, norm: str, steps: int) -> Act | None:
    """A peer's HopSkipJump of so many steps, in ``"l2"`` or ``"linf"``."""
    if name == "Foolbox":
        return _foolbox(net, x, y, "HopSkipJumpAttack", None, steps=steps, constraint=norm)
    options = {"norm": 2 if norm == "l2" else "inf", "max_iter": steps, "verbose": False}
    return _art(net, x, y, "HopSkipJump", **options) if name == "ART" else None


def _foolbox(net: nn.Module, x: Tensor, y: Tensor, attack: str, eps: float | None, **options: Any) -> Act | None:
    package = _package("Foolbox")
    if package is None:
        return None
    model = package.PyTorchModel(net, bounds=(0, 1), device=x.device)
    made = getattr(package.attacks, attack)(**options)

    def act() -> Tensor:
        clipped: Tensor = made(model, x, y, epsilons=eps)[1]
        return clipped

    return _quietly(act)


def _torchattacks(net: nn.Module, x: Tensor, y: Tensor, attack: str, **options: Any) -> Act | None:
    package = _package("torchattacks")
    if package is None:
        return None
    made = getattr(package, attack)(net, **options)
    return _quietly(lambda: made(x, y))


def _art(net: nn.Module, x: Tensor, y: Tensor, attack: str, **options: Any) -> Act | None:
    package = _package("ART")
    if package is None:
        return None
    classifier = import_module("art.estimators.classification").PyTorchClassifier
    with torch.no_grad():
        classes = net(x[:1]).shape[1]
    place = "gpu" if x.device.type == "cuda" else "cpu"
    shape = tuple(x.shape[1:])
    model = classifier(net, nn.CrossEntropyLoss(), shape, classes, clip_values=(0, 1), device_type=place)
    made = getattr(package, attack)(model, **options)
    labels = torch.nn.functional.one_hot(y, classes).float().cpu().numpy()
    return _quietly(lambda: torch.from_numpy(made.generate(x.cpu().numpy(), labels)).to(x.device))


def _package(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(_MODULES[name])
        except ImportError:
            return None


def _quietly(act: Act) -> Act:
    def quiet() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return act().detach()

    return quiet
