"""The core protocol as a careful user would write it: attacks of the peers' packages, the rest in plain PyTorch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import peers
from defective.attacks.carlini_wagner import margin
from defective.data import pick
from defective.evaluation.corruptions import STRENGTHS
from defective.evaluation.sanity_checks import EPS, PGDS
from defective.evaluation.settings import ATTACKS, WHITE_BOX, Settings
from defective.specs import AttackSpec

# Images attacked and classified at once, and the least confidence in an image to shuffle, as evaluate has them.
_DEFAULTS = Settings()
ATTACKED, CLASSIFIED, CONFIDENCE = _DEFAULTS.batch_size, 2 * _DEFAULTS.batch_size, _DEFAULTS.confidence
# Radius, step size and steps of every PGD of the sanity checks.
CHECKS = {f"{check} {strength}" if strength else check: numbers for (check, strength), numbers in PGDS.items()}


class Case(NamedTuple):
    """What is evaluated: a model and a source, images ``(N, C, H, W)`` as floats with labels, and the size of the dearest parts.

    ``decision`` images walk for ``steps`` steps of the Boundary attack; ``checks`` images are in the sanity checks.
    """

    target: nn.Module
    source: nn.Module
    x: Tensor
    y: Tensor
    decision: int
    steps: int
    checks: int


@dataclass
class Turn:
    """What an evaluation took and found: seconds by part; by name the images still correct, and those counted; distances of the walk."""

    seconds: dict[str, float] = field(default_factory=dict)
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)
    distances: Tensor = field(default_factory=lambda: torch.zeros(0))

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of a block; at its end its results are on the CPU."""
        started = time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started


def usual_evaluation(case: Case, best: dict[str, str]) -> Turn:
    """Carry the protocol out.

    Args:
        case: What to evaluate.
        best: ``fgsm`` and ``pgd`` to the peer that attacks. The Boundary attack is Foolbox's, the one with our schedule.

    Raises:
        ValueError: If Foolbox finds no start of the Boundary attack.
    """
    turn, target, source = Turn(), case.target, case.source
    # The order in which evaluate takes images, so that those of the smaller parts are the same.
    order = pick(len(case.x), len(case.x))
    x, y = case.x[order], case.y[order]
    with turn.timed("accuracy"):
        z = _logits(target, x)
        clean, confident = _correct(z, y), z.softmax(1).amax(1) >= CONFIDENCE
        owned = _correct(_logits(source, x), y)
        turn.rates["accuracy"] = rate_of(clean)
    with turn.timed("transfer"):
        for spec in ATTACKS:
            images, labels, eligible = x[owned], y[owned], clean[owned.cpu()]
            x_adv = _attack(best, source, spec, images, labels)
            fooled = ~_correct(_logits(source, x_adv), labels)
            turn.rates[f"transfer {spec}"] = rate_of(_correct(_logits(target, _rounded(x_adv)), labels)[eligible & fooled])
    x, y = x[clean], y[clean]
    with turn.timed("white-box"):
        for spec in (*WHITE_BOX, *ATTACKS):
            x_adv = _rounded(_attack(best, target, spec, x, y))
            turn.rates[f"white-box {spec}"] = rate_of(_correct(_logits(target, x_adv), y))
    with turn.timed("decision"):
        near = x[: case.decision]
        act = peers.boundary("Foolbox", target, near, y[: case.decision], steps=case.steps)
        assert act is not None
        turn.distances = (act() - near).flatten(1).norm(dim=1).cpu()
    with turn.timed("noise"):
        for level in STRENGTHS["noise"]:
            sigma = level / 255
            noise = (sigma * torch.randn_like(x)).clamp(-2 * sigma, 2 * sigma)
            turn.rates[f"noise {level}"] = rate_of(_correct(_logits(target, _rounded((x + noise).clamp(0, 1))), y))
    with turn.timed("shuffle"):
        kept = confident[clean]
        for count in STRENGTHS["shuffle"]:
            turn.rates[f"shuffle {count}"] = rate_of(_correct(_logits(target, _shuffled(x[kept], count)), y[kept]))
    with turn.timed("checks"):
        _checks(turn, best, target, x[: case.checks], y[: case.checks])
    return turn


def _checks(turn: Turn, best: dict[str, str], net: nn.Module, x: Tensor, y: Tensor) -> None:
    x = x.clone().requires_grad_()
    z = net(x)
    (slope,) = torch.autograd.grad(cross_entropy(z, y, reduction="sum"), x, retain_graph=True)
    length = slope.flatten(1).norm(dim=1).cpu()
    turn.rates["checks gradient"] = rate_of(length.isfinite() & (length > 0))
    lead = margin(z, y)
    (slope,) = torch.autograd.grad(lead.sum(), x)
    x = x.detach()
    with torch.no_grad():
        turn.rates["checks surface"] = rate_of((margin(net((x - 0.5 / 255 * slope.sign()).clamp(0, 1)), y) < lead).cpu())
    for name, (eps, step_size, steps) in CHECKS.items():
        spec = AttackSpec(name="pgd", parameters={"eps": eps, "step_size": step_size, "steps": steps, "random_start": 0})
        turn.rates[f"checks {name}"] = rate_of(_correct(_logits(net, _attack(best, net, spec, x, y)), y))
    corner = (x + EPS * (torch.rand_like(x) - 0.5).sign()).clamp(0, 1)
    turn.rates["checks noise"] = rate_of(_correct(_logits(net, corner), y))


def _attack(best: dict[str, str], net: nn.Module, spec: AttackSpec, x: Tensor, y: Tensor) -> Tensor:
    numbers: dict[str, Any] = {"step_size": 0.0, "steps": 1, **spec.parameters}
    parts = zip(x.split(ATTACKED), y.split(ATTACKED), strict=True)
    acts = [peers.gradient(best[spec.name], spec.name, net, *part, **numbers) for part in parts]
    return torch.cat([act() for act in acts if act is not None])


@torch.no_grad()
def _logits(net: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([net(part) for part in x.split(CLASSIFIED)]).cpu()


def _correct(z: Tensor, y: Tensor) -> Tensor:
    return z.argmax(1) == y.cpu()


def rate_of(correct: Tensor) -> tuple[int, int]:
    """Images still correct, and all of them."""
    return int(correct.sum()), len(correct)


def _rounded(x: Tensor) -> Tensor:
    return (x * 255).round() / 255


def _shuffled(x: Tensor, count: int) -> Tensor:
    """Images whose ``count`` x ``count`` patches have changed places."""
    n, channels, height, width = x.shape
    patches = x.reshape(n, channels, count, height // count, count, width // count).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    order = torch.rand(n, count * count, device=x.device).argsort(1)
    mixed = patches[torch.arange(n, device=x.device)[:, None], order]
    return mixed.view(n, count, count, channels, height // count, width // count).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
