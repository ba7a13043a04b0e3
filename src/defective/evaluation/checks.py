"""Is a measured robustness to be believed? Checks after Carlini et al. 2019, "On Evaluating Adversarial Robustness"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from defective.attacks import Attack, pgd
from defective.attacks.budget import draw_per_image
from defective.evaluation.subject import Subject, said_of
from defective.evaluation.transfer import Outcome
from defective.evaluation.work import Tensors
from defective.inference import as_images, device_of, dtype_of, evaluating, logits
from defective.masks import stream
from defective.progress import progress_bar
from defective.statistics import Rate, paired_difference

Verdict = Literal["passed", "failed", "undecided"]

# What each check asks; it fails where the answer is no beyond chance.
CHECKS = {
    "deterministic": "the same images twice give the same logits, alone and in company",
    "gradient": "the gradient of the loss is finite and not zero for 99 % of the images",
    "surface": "half a level along the gradient makes at least 90 % of the images less certain",
    "noise": "PGD is stronger than random noise of its size",
    "steps": "more steps of PGD never help the defence",
    "radius": "a larger radius never helps the defence",
    "unbounded": "with an unbounded radius PGD fools the model on every image",
    "white-box": "attacks on the model itself are at least as strong as transferred ones",
}

EPS, STEP = 8 / 255, 2 / 255
STEPS = (5, 10, 20, 40)
RADII = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Check:
    """The answer to one of :data:`CHECKS`.

    Attributes:
        name: Which one.
        verdict: ``"passed"``, ``"failed"`` (beyond chance, 95 %) or ``"undecided"`` (it could not be asked).
        measured: The numbers behind it, in words.
    """

    name: str
    verdict: Verdict
    measured: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"check": self.name, "asks": CHECKS[self.name], "verdict": self.verdict, "measured": self.measured}


def run_checks(
    subject: Subject, outcomes: Sequence[Outcome] = (), *, samples: int = 200, seed: int = 0, batch_size: int = 250
) -> list[Check]:
    """Ask all checks of one model, on the first ``samples`` test images that it classifies right.

    Args:
        subject: The model.
        outcomes: Transfer and white-box outcomes of the evaluation; the last check compares them.
        samples: Images.
        seed: Seed of the sample and the noise.
        batch_size: Images attacked at once; only time and memory depend on it.

    Source: Carlini et al. 2019, Section 5 and its checklist.
    """
    index = subject.sample(samples, seed=seed)
    checks = [_deterministic(subject, index)]
    if not subject.differentiable:
        checks.append(Check("gradient", "failed", "the logits have no gradient: only decision-based numbers mean anything"))
        missing = [name for name in CHECKS if name not in ("deterministic", "gradient")]
        return checks + [Check(name, "undecided", "needs a gradient") for name in missing]
    probe = _probe(subject, index, batch_size)
    checks += [_gradient(probe), _surface(probe)]
    rungs: dict[tuple[str, int], Attack] = {("steps", count): _attack(EPS, STEP, count) for count in STEPS}
    rungs |= {("radius", radius): _attack(radius / 255, radius / 255 / 4, 20) for radius in RADII}
    rungs |= {("noise", seed): _corner(seed), ("unbounded", 0): _attack(1.0, 16 / 255, 50)}
    right: dict[str, dict[int, Tensor]] = {}
    with progress_bar(f"honesty checks of {subject.name}", len(rungs), unit="attacks") as advance:
        for (name, strength), attack in rungs.items():
            right.setdefault(name, {})[strength] = _withstood(subject, index, attack, f"{name}/{strength}", batch_size)
            advance(1)
    checks += [_noise(right["noise"][seed], right["steps"][STEPS[-1]])]
    checks += [_ladder(name, right[name]) for name in ("steps", "radius")]
    return [*checks, _unbounded(right["unbounded"][0]), _white_box(subject.name, outcomes)]


def _deterministic(subject: Subject, index: Tensor) -> Check:
    x, _ = subject.data.take(index[:100])
    with said_of(subject.name):
        first, second, alone = (logits(subject.model, images) for images in (x, x, x[:1]))
    apart, company = float((first - second).abs().max()), float((alone[0] - first[0]).abs().max())
    # Sums are ordered otherwise in other batches; that much difference is rounding.
    allowed = 1e-3 * max(1.0, float(first.abs().max()))
    verdict: Verdict = "passed" if apart == 0 and company <= allowed else "failed"
    return Check("deterministic", verdict, f"logits differ by {apart:.2g} from call to call, by {company:.2g} in another batch")


def _probe(subject: Subject, index: Tensor, batch_size: int) -> Tensors:
    """For each image the length of the loss's gradient, and whether the margin falls half a level along its own gradient."""

    def make() -> Tensors:
        x, y = subject.data.take(index)
        norms, falls = [], []
        for part, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            images, true = as_images(part.to(device_of(subject.model))), labels.to(device_of(subject.model))
            with evaluating(subject.model), torch.enable_grad():
                images.requires_grad_()
                z = subject.model(images.to(dtype_of(subject.model)))
                loss = torch.nn.functional.cross_entropy(z, true, reduction="sum")
                norms.append(torch.autograd.grad(loss, images, retain_graph=True)[0].flatten(1).norm(dim=1).cpu())
                (slope,) = torch.autograd.grad(_margin(z, true).sum(), images)
            moved = (images.detach() - 0.5 / 255 * slope.sign()).clamp(0, 1)
            with evaluating(subject.model), torch.no_grad():
                falls.append((_margin(subject.model(moved.to(dtype_of(subject.model))), true) < _margin(z.detach(), true)).cpu())
        return {"norm": torch.cat(norms), "falls": torch.cat(falls)}

    return subject.work.piece(subject.identity("probe", index), make)


def _margin(z: Tensor, y: Tensor) -> Tensor:
    return z.gather(1, y[:, None]).squeeze(1) - z.scatter(1, y[:, None], -torch.inf).amax(1)


def _gradient(probe: Tensors) -> Check:
    norm = probe["norm"]
    usable = int((norm.isfinite() & (norm > 0)).sum())
    text = f"{usable} of {len(norm)} images have one; median length {float(norm.nanmedian()):.2g}"
    return Check("gradient", "passed" if usable >= 0.99 * len(norm) else "failed", text)


def _surface(probe: Tensors) -> Check:
    rate = Rate.among(probe["falls"], torch.ones_like(probe["falls"]))
    return Check("surface", "passed" if rate.interval[1] >= 0.9 else "failed", f"{rate.hits} of {rate.total} images")


def _attack(eps: float, step_size: float, steps: int) -> Attack:
    return lambda model, x, y: pgd(model, x, y, eps=eps, step_size=step_size, steps=steps)


def _corner(seed: int) -> Attack:
    generator = stream(seed, "checks/noise")

    def attack(model: torch.nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return (x + EPS * (draw_per_image(torch.rand, x, generator) - 0.5).sign()).clamp(0, 1)

    return attack


def _withstood(subject: Subject, index: Tensor, attack: Attack, what: str, batch_size: int) -> Tensor:
    """Bool ``(N,)``: the model is still right."""

    def make() -> Tensors:
        x, y = subject.data.take(index)
        images = as_images(x.to(device_of(subject.model)))
        parts = zip(images.split(batch_size), y.split(batch_size), strict=True)
        with said_of(subject.name):
            made = [logits(subject.model, attack(subject.model, part, labels.to(part.device))) for part, labels in parts]
        return {"right": torch.cat(made).argmax(1) == y.cpu()}

    return subject.work.piece(subject.identity("check", index, what=what), make)["right"]


def _ladder(name: str, rungs: dict[int, Tensor]) -> Check:
    rates = ", ".join(f"{rung}: {100 * right.float().mean():.1f} %" for rung, right in rungs.items())
    pairs = zip(list(rungs.values()), list(rungs.values())[1:], strict=False)
    helped = any(_better(stronger, weaker) for weaker, stronger in pairs)
    return Check(name, "failed" if helped else "passed", f"withstood at {rates}")


def _noise(noise: Tensor, attacked: Tensor) -> Check:
    text = f"noise leaves {100 * noise.float().mean():.1f} % right, PGD {100 * attacked.float().mean():.1f} %"
    return Check("noise", "failed" if _better(attacked, noise) else "passed", text)


def _better(one: Tensor, other: Tensor) -> bool:
    """Is the model right on more of the same images, beyond chance?"""
    everyone = torch.ones_like(one)
    return paired_difference((one, everyone), (other, everyone)).low > 0


def _unbounded(right: Tensor) -> Check:
    return Check("unbounded", "failed" if right.any() else "passed", f"{int(right.sum())} of {len(right)} images withstood")


def _white_box(name: str, outcomes: Sequence[Outcome]) -> Check:
    own = [outcome for outcome in outcomes if outcome.target == name]
    found: list[str] = []
    failed = False
    for outcome in own:
        if not outcome.white_box:
            continue
        others = [
            each for each in own if each.transferred and each.crafted.attack == outcome.crafted.attack and each.clean_correct.any()
        ]
        if not others:
            continue
        strongest = min(others, key=lambda each: each.rate("target-correct"))
        direct, transferred = outcome.rate("target-correct"), strongest.rate("target-correct")
        failed |= direct.interval[0] > transferred.interval[1]
        attack = outcome.crafted.attack.split(":")[0]
        found.append(f"{attack} {100 * direct:.1f} % withstood, from {strongest.crafted.source} {100 * transferred:.1f} %")
    if not found:
        return Check("white-box", "undecided", "no attack was both transferred and made on the model itself")
    return Check("white-box", "failed" if failed else "passed", "; ".join(found))
