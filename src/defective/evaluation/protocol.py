"""The whole black-box protocol of the paper, for any models, with honesty checks."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from defective.attacks import from_spec
from defective.attacks.logit_space import encoders
from defective.data import Data
from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.evaluation.checks import run_checks
from defective.evaluation.crafted import OwnAttack, craft_on, score_on
from defective.evaluation.decision import decide
from defective.evaluation.noise import SIGMAS, noise_curve
from defective.evaluation.relations import mask_average, relation
from defective.evaluation.result import Curves, Evaluation
from defective.evaluation.settings import ATTACKS, WHITE_BOX, Settings
from defective.evaluation.shape_bias import shape_report
from defective.evaluation.shuffle import GRIDS, shuffle_curve
from defective.evaluation.subject import Subject, common_sample, said_of
from defective.evaluation.transfer import Crafted, Outcome
from defective.evaluation.work import Work
from defective.progress import progress_bar
from defective.specs import AttackSpec
from defective.statistics import Rate
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
        InputError: If a net does not fit the data, a net named as a source alone cannot be attacked, or a setting is out of range.

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
    if not targets:
        raise InputError("there is no model to evaluate")
    for attack in attacks:
        if isinstance(attack, AttackSpec):
            # A package that is missing is said now, not after the other attacks.
            from_spec(attack)
    judged = [Subject.of(name, model, data, work) for name, model in targets.items()]
    owned = [Subject.of(name, model, data, work) for name, model in (sources or {}).items()]
    accuracies = {each.name: each.accuracy() for each in judged}
    able = [each for each in judged if accuracies[each.name].hits]
    attackers = _attackers(owned, judged, chosen) if "transfer" in chosen.parts else []
    outcomes = _transfer(judged, attackers, list({str(attack): attack for attack in attacks}.values()), crafted, chosen)
    noise = _curves(able, chosen, "noise") if "noise" in chosen.parts and able else None
    shuffled = _curves(able, chosen, "shuffle") if "shuffle" in chosen.parts and able else None
    decisions, reports, checks = {}, {}, {}
    for each in able:
        if "decision" in chosen.parts:
            decisions[each.name] = decide(each, chosen.decision, samples=chosen.decision_samples, seed=chosen.seed)
        if "checks" in chosen.parts:
            checks[each.name] = run_checks(
                each, outcomes, samples=chosen.check_samples, seed=chosen.seed, batch_size=chosen.batch_size
            )
    if "stimuli" in chosen.parts and stimuli is not None:
        reports = {each.name: shape_report(each.model, stimuli) for each in judged}
    known = {attacker.name: attacker.accuracy() for attacker, _ in attackers}
    left_out = {each.name: reason for each in judged if (reason := _hindrance(each, accuracies[each.name]))}
    return Evaluation(
        data.name, len(data), chosen, accuracies, outcomes, decisions, noise, shuffled, reports, checks, left_out, known
    )


def _hindrance(subject: Subject, accuracy: Rate) -> str:
    """Why a model was not attacked, or not by every attack; empty for one that was."""
    if not accuracy.hits:
        return f"classifies no image of {subject.data.name} right, so that there is none to attack"
    return "" if subject.differentiable else "has no gradient, so that it is attacked by its decisions alone"


def _transfer(
    targets: Sequence[Subject],
    attackers: Sequence[tuple[Subject, bool]],
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
    outcomes = [score_on(target, each) for each in crafted for target in targets]
    for source, required in attackers:
        for attack in attacks:
            if required or _attackable(source, attack):
                made = craft_on(source, attack, **options)
                outcomes += [score_on(target, made, relation(source.model, target.model)) for target in targets]
    if "white-box" not in settings.parts:
        return outcomes
    for target in targets:
        done = {each.crafted.attack for each in outcomes if each.target == target.name and each.white_box}
        for attack in {str(each): each for each in (*WHITE_BOX, *attacks)}.values():
            if str(attack) not in done and _attackable(target, attack):
                outcomes.append(score_on(target, craft_on(target, attack, **options), "white-box"))
    return outcomes


def _attackable(subject: Subject, attack: AttackSpec | OwnAttack) -> bool:
    name = attack.name if isinstance(attack, AttackSpec) else ""
    fits = name != "lspga" or bool(encoders(subject.model))
    return fits and (name in ("boundary", "noise") or subject.differentiable) and subject.knows_any()


def _attackers(sources: Sequence[Subject], targets: Sequence[Subject], settings: Settings) -> list[tuple[Subject, bool]]:
    """What to craft on. One that cannot be attacked is a mistake if it is a source alone (true); a model or average is left out."""
    alone = [(source, not any(source.model is target.model for target in targets)) for source in sources]
    return alone + [(average, False) for average in _averaged(sources, settings)]


def _averaged(sources: Sequence[Subject], settings: Settings) -> list[Subject]:
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
    sides = subjects[0].data.image_shape[1:]
    strengths = SIGMAS if part == "noise" else tuple(k for k in GRIDS if not any(side % k for side in sides))
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
        with said_of(subject.name):
            if part == "noise":
                rate = noise_curve(subject.model, x, y, sigmas=[strength], seed=seed)[strength]
            else:
                rate = shuffle_curve(subject.model, x, y, grids=[strength], seed=seed)[strength]
        return {"counts": torch.tensor([rate.hits, rate.total])}

    hits, total = subject.work.piece(subject.identity(part, index, strength=strength, seed=seed), make)["counts"].tolist()
    return Rate.of(hits, total)
