"""Sanity checks of a measured robustness, after Carlini et al. 2019, "On Evaluating Adversarial Robustness"."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor

from defective.attacks import Attack, pgd
from defective.attacks.budget import draw_per_image
from defective.attacks.carlini_wagner import margin
from defective.errors import InputError
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.evaluation.transfer import Outcome
from defective.inference import as_images, device_of, evaluating, forward, image_gradient, logits
from defective.masks import named_generator
from defective.specs import Document
from defective.specs.versions import ATTACK_VERSIONS
from defective.statistics import Rate, paired_difference
from defective.tables import number

CheckVerdict = Literal["passed", "failed", "undecided"]

# What each check tests; it fails where that is not so beyond chance.
CHECKS = {
    "deterministic": "the same images twice give the same logits, alone and in a batch",
    "gradient": "the gradient of the loss is finite and not zero for 99 % of the images",
    "surface": "half a level along the gradient makes at least 90 % of the images less certain",
    "noise": "PGD is stronger than random noise of its size",
    "steps": "more steps of PGD never raise the accuracy",
    "radius": "a larger radius never raises the accuracy",
    "unbounded": "with an unbounded radius PGD fools the model on every image",
    "white-box": "attacks on the model itself are at least as strong as transferred ones",
}

EPS, STEP = 8 / 255, 2 / 255
STEPS = (5, 10, 20, 40)
RADII = (2, 4, 8, 16, 32)
# Check and strength to radius, step size and steps of its PGD.
PGDS: dict[tuple[str, int], tuple[float, float, int]] = {
    **{("steps", count): (EPS, STEP, count) for count in STEPS},
    **{("radius", radius): (radius / 255, radius / 255 / 4, 20) for radius in RADII},
    ("unbounded", 0): (1.0, 16 / 255, 50),
}
LADDERS = {"steps": STEPS, "radius": RADII}


class SanityCheck(Document):
    """The result of one of :data:`CHECKS`, what that tests, and the numbers behind the verdict in words.

    ``verdict`` is ``failed`` (beyond chance, 95 %), ``passed`` or ``undecided`` (it could not be carried out).
    """

    check: str
    tests: str
    verdict: CheckVerdict
    measured: str

    @classmethod
    def of(cls, check: str, verdict: CheckVerdict | bool, measured: str) -> Self:
        known = verdict if isinstance(verdict, str) else "passed" if verdict else "failed"
        return cls(check=check, tests=CHECKS[check], verdict=known, measured=measured)


def run_checks(model: EvaluatedModel, outcomes: Sequence[Outcome] = (), *, samples: int = 200, seed: int = 0) -> list[SanityCheck]:
    """Carry out all checks of one model, on the first ``samples`` test images that it classifies correctly.

    The last check compares the transfer and white-box ``outcomes`` of the evaluation.

    Source: Carlini et al. 2019, Section 5 and its checklist.
    """
    index = model.sample(samples, seed=seed)
    checks = [_deterministic(model, index)]
    if not model.differentiable:
        checks.append(SanityCheck.of("gradient", False, "the logits have no gradient: only decision-based attacks mean anything"))
        missing = [name for name in CHECKS if name not in ("deterministic", "gradient")]
        return checks + [SanityCheck.of(name, "undecided", "needs a gradient") for name in missing]
    probe = model.run(Measurement("", [Chunk(model.inputs("probe", index), len(index), partial(_probe, model, index))]))
    checks += [_gradient(probe["norm"]), _surface(probe["falls"])]
    try:
        correct = _under_attack(model, index, seed)
    except InputError as error:
        # A model that fails on attacked images alone, with nan for example, must not take the rest of an evaluation with it.
        under_attack = ("noise", *LADDERS, "unbounded")
        checks += [SanityCheck.of(name, False, f"on attacked images {error}") for name in under_attack]
        return [*checks, _white_box(model.name, outcomes)]
    noise, attacked, unbounded = correct["noise", 0], correct["steps", STEPS[-1]], correct["unbounded", 0]
    text = f"still correct under noise {_percent(noise)}, under PGD {_percent(attacked)}"
    checks.append(SanityCheck.of("noise", not _better(attacked, noise), text))
    checks += [_ladder(name, {strength: correct[name, strength] for strength in each}) for name, each in LADDERS.items()]
    checks.append(
        SanityCheck.of("unbounded", not unbounded.any(), f"{int(unbounded.sum())} of {len(unbounded)} images still correct")
    )
    return [*checks, _white_box(model.name, outcomes)]


def _deterministic(model: EvaluatedModel, index: Tensor) -> SanityCheck:
    x, _ = model.data.take(index[:100])
    with naming(model.name):
        first, second, alone = (logits(model.model, images) for images in (x, x, x[:1]))
    apart, batched = float((first - second).abs().max()), float((alone[0] - first[0]).abs().max())
    # Sums have another order in other batches; that much difference is rounding.
    allowed = 1e-3 * max(1.0, float(first.abs().max()))
    text = f"logits differ by {apart:.2g} from call to call, by {batched:.2g} in another batch"
    return SanityCheck.of("deterministic", apart == 0 and batched <= allowed, text)


def _probe(model: EvaluatedModel, index: Tensor, _: Advance) -> Tensors:
    """For each image the length of the loss's gradient, and whether the margin falls half a level along its own gradient."""
    x, y = model.data.take(index)
    net, device = model.model, device_of(model.model)
    norms, falls = [], []
    for part, labels in zip(x.split(model.attacked_at_once), y.split(model.attacked_at_once), strict=True):
        images, true = as_images(part.to(device)).clone(), labels.to(device)
        with naming(model.name), evaluating(net), torch.enable_grad():
            z = forward(net, images.requires_grad_())
            loss = torch.nn.functional.cross_entropy(z, true, reduction="sum")
            norms.append(image_gradient(loss, images, retain_graph=True).flatten(1).norm(dim=1).cpu())
            gradient = image_gradient(margin(z, true).sum(), images)
        moved = (images.detach() - 0.5 / 255 * gradient.sign()).clamp(0, 1)
        with naming(model.name), evaluating(net), torch.no_grad():
            falls.append((margin(forward(net, moved), true) < margin(z.detach(), true)).cpu())
    return {"norm": torch.cat(norms), "falls": torch.cat(falls)}


def _gradient(norm: Tensor) -> SanityCheck:
    usable = int((norm.isfinite() & (norm > 0)).sum())
    text = f"{usable} of {len(norm)} images have one; median length {float(norm.nanmedian()):.2g}"
    return SanityCheck.of("gradient", usable >= 0.99 * len(norm), text)


def _surface(falls: Tensor) -> SanityCheck:
    rate = Rate.among(falls)
    return SanityCheck.of("surface", rate.interval[1] >= 0.9, f"{int(falls.sum())} of {len(falls)} images")


def _under_attack(model: EvaluatedModel, index: Tensor, seed: int) -> dict[tuple[str, int], Tensor]:
    """Check and strength to bool ``(N,)``: whether the model is still correct."""

    def chunk(attack: Attack, **depends: object) -> Chunk:
        return Chunk(model.inputs("check", index, **model.computed, **depends), 1, partial(_attacked, model, index, attack))

    version = ATTACK_VERSIONS.get("pgd", 1)
    chunks = {
        key: chunk(partial(pgd, eps=numbers[0], step_size=numbers[1], steps=numbers[2]), pgd=numbers, attack_version=version)
        for key, numbers in PGDS.items()
    }
    chunks["noise", 0] = chunk(partial(_corner, generator=named_generator(seed, "checks/noise")), noise=seed)
    found = model.run(Measurement(f"sanity checks of {model.name}", list(chunks.values()), unit="attacks"))
    return dict(zip(chunks, found["correct"], strict=True))


def _attacked(model: EvaluatedModel, index: Tensor, attack: Attack, advance: Advance) -> Tensors:
    x, y = model.data.take(index)
    images = as_images(x.to(device_of(model.model)))
    parts = zip(images.split(model.attacked_at_once), y.split(model.attacked_at_once), strict=True)
    net = model.surrogate or model.fast
    z = [logits(model.model, attack(net, part, labels.to(part.device))) for part, labels in parts]
    advance(1)
    return {"correct": (torch.cat(z).argmax(1) == y.cpu())[None]}


def _corner(model: torch.nn.Module, x: Tensor, y: Tensor, *, generator: torch.Generator) -> Tensor:
    return (x + EPS * (draw_per_image(torch.rand, x, generator) - 0.5).sign()).clamp(0, 1)


def _ladder(name: str, correct: dict[int, Tensor]) -> SanityCheck:
    rates = ", ".join(f"{strength}: {_percent(each)}" for strength, each in correct.items())
    helped = any(_better(stronger, weaker) for weaker, stronger in pairwise(correct.values()))
    return SanityCheck.of(name, not helped, f"still correct at {rates}")


def _percent(correct: Tensor) -> str:
    return f"{number(100 * Rate.among(correct))} %"


def _better(one: Tensor, other: Tensor) -> bool:
    """Whether the model is correct on more of the same images, beyond chance."""
    everyone = torch.ones_like(one)
    return paired_difference((one, everyone), (other, everyone)).interval[0] > 0


def _white_box(name: str, outcomes: Sequence[Outcome]) -> SanityCheck:
    own = [outcome for outcome in outcomes if outcome.target == name]
    found: list[str] = []
    failed = False
    for outcome in own:
        attack = outcome.adversarial.attack
        others = [each for each in own if each.transferred and each.adversarial.attack == attack and each.clean_correct.any()]
        if not outcome.white_box or not others:
            continue
        strongest = min(others, key=lambda each: each.rate("target-correct"))
        direct, transferred = outcome.rate("target-correct"), strongest.rate("target-correct")
        failed |= direct.interval[0] > transferred.interval[1]
        source = strongest.adversarial.source
        found.append(f"{attack.split(':')[0]} white-box {number(100 * direct)} %, from {source} {number(100 * transferred)} %")
    if not found:
        return SanityCheck.of("white-box", "undecided", "no attack was both transferred and generated on the model itself")
    return SanityCheck.of("white-box", not failed, f"still correct: {'; '.join(found)}")
