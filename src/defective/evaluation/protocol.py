"""The whole black-box protocol of the paper, for any models, with honesty checks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from defective.data import Data
from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.evaluation.checks import run_checks
from defective.evaluation.crafted import OwnAttack, craft_on, score_on
from defective.evaluation.decision import decide
from defective.evaluation.noise import SIGMAS, noise_curve
from defective.evaluation.rates import Rate
from defective.evaluation.relations import mask_average, relation
from defective.evaluation.result import Curves, Evaluation
from defective.evaluation.settings import ATTACKS, WHITE_BOX, Settings
from defective.evaluation.shape_bias import shape_report
from defective.evaluation.shuffle import GRIDS, shuffle_curve
from defective.evaluation.subject import Subject, common_sample
from defective.evaluation.transfer import Crafted, Outcome
from defective.evaluation.work import Work
from defective.progress import progress_bar
from defective.specs import AttackSpec
from defective.surgery import defects


def evaluate(
    targets: Mapping[str, nn.Module],
    data: Data,
    *,
    sources: Mapping[str, nn.Module] | None = None,
    attacks: Sequence[AttackSpec | OwnAttack] = ATTACKS,
    crafted: Sequence[Crafted] = (),
    stimuli: Stimuli | None = None,
    work: Work | None = None,
    settings: Settings | None = None,
    **changes: Any,
) -> Evaluation:
    """Run the paper's black-box protocol on any models.

    Args:
        targets: Name to classifier from images in [0, 1] to logits; the first is what differences are taken from.
        data: Test images.
        sources: Name to classifier the attacker owns; an :class:`defective.Ensemble` fuses the logits of several. Where a source and
            a target are the same net with other weights or masks, the cell is marked gray-box; a defective source against a
            defective target is marked adaptive.
        attacks: What to craft with: specs, or attacks of your own.
        crafted: Sets that were crafted before.
        stimuli: Cue-conflict images, silhouettes and edges (:func:`defective.data.stimuli.load_stimuli`).
        work: Where finished pieces are kept; the same call goes on from them.
        settings: What to do, on how many images; default :class:`Settings`.
        changes: Fields of it to change, as ``samples=500``.

    Raises:
        InputError: If a net does not fit the data or a setting is out of range.

    Source: paper Section 4 and Appendix A; checks after Carlini et al. 2019.

    Example:
        >>> from defective import build
        >>> from defective.data import ImageSet, shapes
        >>> made = shapes("test")
        >>> few = ImageSet("few", "test", made.x[:40], made.y[:40], made.classes)
        >>> nets = {name: build(name, width_mult=0.0625).eval() for name in ("vgg19", "vgg19/0.5-bottom")}
        >>> source = build("vgg19", seed=1, width_mult=0.0625).eval()
        >>> found = evaluate(nets, few, sources={"source": source}, parts=("transfer",), samples=5)
        >>> [(outcome.target, outcome.relation) for outcome in found.outcomes[:2]]
        [('vgg19', 'same structure'), ('vgg19/0.5-bottom', 'black-box')]
    """
    chosen = Settings.make(**((settings or Settings()).model_dump() | changes))
    work = work or Work()
    known: dict[int, Subject] = {}

    def subject(name: str, model: nn.Module) -> Subject:
        # A net that is source and target is one subject, its pieces are made once.
        return known.setdefault(id(model), Subject.of(name, model, data, work))

    judged = {name: subject(name, model) for name, model in targets.items()}
    owned = {name: subject(name, model) for name, model in (sources or {}).items()}
    if not judged:
        raise InputError("there is no model to evaluate")
    accuracies = {name: each.accuracy() for name, each in judged.items()}
    outcomes = _transfer(judged, owned, attacks, crafted, chosen)
    subjects = list(judged.values())
    noise = _curves(subjects, chosen, "noise") if "noise" in chosen.parts else None
    shuffled = _curves(subjects, chosen, "shuffle") if "shuffle" in chosen.parts else None
    decisions, reports, checks = {}, {}, {}
    for name, each in judged.items():
        if "decision" in chosen.parts:
            decisions[name] = decide(each, chosen.decision, samples=chosen.decision_samples, seed=chosen.seed)
        if "stimuli" in chosen.parts and stimuli is not None:
            reports[name] = shape_report(each.model, stimuli)
        if "checks" in chosen.parts:
            checks[name] = run_checks(each, outcomes, samples=chosen.check_samples, seed=chosen.seed)
    return Evaluation(data.name, len(data), chosen, accuracies, outcomes, decisions, noise, shuffled, reports, checks)


def _transfer(
    targets: Mapping[str, Subject],
    sources: Mapping[str, Subject],
    attacks: Sequence[AttackSpec | OwnAttack],
    crafted: Sequence[Crafted],
    settings: Settings,
) -> list[Outcome]:
    options: dict[str, Any] = {
        "samples": settings.samples,
        "seed": settings.seed,
        "rounded": settings.rounded,
        "batch_size": settings.batch_size,
    }
    outcomes = [score_on(target, each) for each in crafted for target in targets.values()]
    for source in [*sources.values(), *_averaged(sources.values(), settings)] if "transfer" in settings.parts else ():
        for attack in attacks:
            made = craft_on(source, attack, **options)
            outcomes += [score_on(target, made, relation(source.model, target.model)) for target in targets.values()]
    if "white-box" not in settings.parts:
        return outcomes
    for target in targets.values():
        done = {each.crafted.attack for each in outcomes if each.target == target.name and each.white_box}
        for attack in [*WHITE_BOX, *attacks]:
            blind = isinstance(attack, AttackSpec) and attack.name in ("boundary", "noise")
            if str(attack) not in done and (blind or target.differentiable()):
                outcomes.append(score_on(target, craft_on(target, attack, **options), "white-box"))
    return outcomes


def _averaged(sources: Iterable[Subject], settings: Settings) -> list[Subject]:
    """Defective sources, averaged over masks they were not trained with."""
    if not settings.mask_draws:
        return []
    return [
        Subject.of(
            f"{source.name} over {settings.mask_draws} masks",
            mask_average(source.model, draws=settings.mask_draws, seed=settings.seed).eval(),
            source.data,
            source.work,
        )
        for source in sources
        if defects(source.model)
    ]


def _curves(subjects: list[Subject], settings: Settings, part: Literal["noise", "shuffle"]) -> Curves:
    """Every model on the same noisy or shuffled images, which all of them get right when they are whole."""
    confidence = settings.confidence if part == "shuffle" else 0.0
    index = common_sample(subjects, settings.samples, confidence=confidence, seed=settings.seed)
    size = subjects[0].data.image_shape[1]
    strengths = SIGMAS if part == "noise" else tuple(k for k in GRIDS if size % k == 0)
    rates: dict[str, dict[float, Rate]] = {}
    with progress_bar(part, len(subjects) * len(strengths), unit="sets") as advance:
        for subject in subjects:
            rates[subject.name] = {}
            for strength in strengths:
                rates[subject.name][strength] = _on_changed(subject, index, part, strength, settings.seed)
                advance(1)
    return Curves(index, rates)


def _on_changed(subject: Subject, index: Tensor, part: str, strength: int, seed: int) -> Rate:
    if len(index) == 0:
        return Rate.of(0, 0)

    def make() -> dict[str, Tensor]:
        x, y = subject.data.take(index)
        if part == "noise":
            rate = noise_curve(subject.model, x, y, sigmas=[strength], seed=seed)[strength]
        else:
            rate = shuffle_curve(subject.model, x, y, grids=[strength], seed=seed)[strength]
        return {"counts": torch.tensor([rate.hits, rate.total])}

    hits, total = subject.work.piece(subject.identity(part, index, strength=strength, seed=seed), make)["counts"].tolist()
    return Rate.of(hits, total)
