"""The black-box protocol of the paper, for any models, with sanity checks."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch

from defective.attacks.logit_space import encoders
from defective.data import index_hash
from defective.data.stimuli import Stimuli
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet, CustomAttack, generate
from defective.evaluation.corruptions import STRENGTHS, corrupted_correct
from defective.evaluation.decision import decide
from defective.evaluation.evaluated_model import EvaluatedModel, common_sample, naming
from defective.evaluation.inputs import (
    AnyAttack,
    AnyData,
    Models,
    as_attacks,
    as_data,
    as_models,
    as_sources,
    check_encoders,
    check_given,
    check_transfer,
)
from defective.evaluation.measurement import Run, compute
from defective.evaluation.result import Curves, EvaluationResult, differences
from defective.evaluation.sanity_checks import run_checks
from defective.evaluation.settings import ATTACKS, DEFAULTS, PARTS, WHITE_BOX, Neurons, Part, Settings
from defective.evaluation.shape_bias import ShapeReport, shape_report
from defective.evaluation.threat_model import mask_average, threat_model
from defective.evaluation.transfer import score
from defective.machine import Precision
from defective.progress import Progress, progress_bar, silent
from defective.specs import GRADIENT_ATTACKS, AttackSpec
from defective.statistics import Rate
from defective.surgery import defects


@torch.inference_mode(False)
def evaluate(
    models: Models,
    data: AnyData,
    *,
    sources: Models | None = None,
    attacks: AnyAttack | Sequence[AnyAttack] = ATTACKS,
    adversarial: Sequence[AdversarialSet] = (),
    stimuli: Stimuli | None = None,
    parts: Part | Sequence[Part] | None = None,
    samples: int = DEFAULTS.samples,
    decision: AttackSpec | str = str(DEFAULTS.decision),
    decision_samples: int = DEFAULTS.decision_samples,
    confidence: float = DEFAULTS.confidence,
    check_samples: int = DEFAULTS.check_samples,
    mask_draws: int = DEFAULTS.mask_draws,
    neurons: Neurons = DEFAULTS.neurons,
    precision: Precision = DEFAULTS.precision,
    rounded: bool = DEFAULTS.rounded,
    seed: int = DEFAULTS.seed,
    batch_size: int = DEFAULTS.batch_size,
    progress: Progress | bool = progress_bar,
    run: Run | None = None,
) -> EvaluationResult:
    """Run the black-box protocol of the paper on any models. Numbers of images in parentheses are the paper's.

    Args:
        models: A classifier from images in [0, 1] to logits, several, or several by name; the others are compared with the first.
        data: Test images: a pair of images ``(N, C, H, W)``, uint8 or floats in [0, 1], and labels ``(N,)``; a torch ``Dataset`` or
            ``DataLoader`` of such pairs; or a data set of this library.
        sources: Models that the attacker owns, as ``models``; a :class:`defective.Ensemble` averages the logits of several. The
            threat model of a cell is what the source reveals about the target. Default: the models themselves, or none if there is
            one model alone or ``adversarial`` is given.
        attacks: Names with numbers, such as ``"pgd:eps=8/255,steps=10"``, specs, or callables ``(model, x, y) -> x_adv``.
        adversarial: Adversarial sets that were generated before, to score as well; their threat model is unknown unless their source is
            among ``models`` and ``sources``.
        stimuli: Cue-conflict images, silhouettes and edges (:func:`defective.data.stimuli.load_stimuli`).
        parts: Parts of the protocol: transfer, white-box, decision, noise, shuffle, stimuli, checks. Default: all; transfer only with
            sources or ``adversarial``, stimuli only with ``stimuli``.
        samples: Images per source and attack, and for noise and shuffled patches (5,000; CW 1,000).
        decision, decision_samples: The decision-based attack (``"boundary:steps=5000,directions=25"``, or ``"hopskipjump:steps=20"``)
            and its images (500).
        confidence: Minimum confidence of every model in the images to shuffle (0.99).
        check_samples: Images for the sanity checks.
        mask_draws: Add a source that averages each defective source over this many fresh masks; 0 for none.
        neurons: How attacks of this library compute the models. ``"all"``: as they are. ``"auto"``: on a CPU by
            ``sparsify(model, x, timed_images=0)`` wherever that can follow a float32 model without hooks whose modules are all of
            torch, timm or this library; logits differ by at most 1e-4 of the largest. ``"live"``: these, and every defective model,
            by ``sparsify(model, x)``, which times its layers on this machine. Images are classified by the models themselves.
        precision: ``"bf16"``: where ``neurons`` replaces a model in attacks on a CPU, gradients are those of a copy in bfloat16, and
            CW searches on that copy and verifies what it finds on the model. ``"auto"``: where that is faster on this machine.
            ``"fp32"``: nowhere. Decision-based attacks query in float32: rounding hides their small steps.
        rounded: Score 8-bit images.
        seed: Seed of samples and random attacks.
        batch_size: Images attacked at once; lower it where memory runs out.
        progress: Called as ``progress(description, total, unit=...)``; by default a bar on the command line and in notebooks.
        run: Executes measurements; default in memory (:func:`defective.evaluation.measurement.compute`).

    Raises:
        InputError: If a model does not fit the data, a model named as a source alone cannot be attacked, ``parts`` names transfer
            without a source or an attack, or an argument is out of range.

    Source: paper Section 4 and Appendix A; checks after Carlini et al. 2019.

    Example:
        >>> from defective import build
        >>> from defective.data import shapes
        >>> test = shapes("test")
        >>> models = {name: build(name, width_mult=0.0625).eval() for name in ("vgg19", "vgg19/0.5-bottom")}
        >>> source = {"source": build("vgg19", seed=1, width_mult=0.0625).eval()}
        >>> found = evaluate(models, (test.x[:40], test.y[:40]), sources=source, parts=("transfer",), samples=5)
        >>> [(outcome.target, outcome.threat_model) for outcome in found.outcomes[:2]]
        [('vgg19', 'gray-box (same architecture)'), ('vgg19/0.5-bottom', 'black-box')]
    """
    named = as_models(models)
    if not named:
        raise InputError("name at least one model to evaluate")
    check_given(adversarial, stimuli)
    owned, chosen = as_sources(sources, named, adversarial), as_attacks(attacks)
    if parts is None:
        available = {"transfer": owned or adversarial, "stimuli": stimuli}
        parts = [part for part in PARTS if available.get(part, True)]
    settings = Settings.make(
        parts=(parts,) if isinstance(parts, str) else tuple(parts),
        samples=samples,
        decision=decision,
        decision_samples=decision_samples,
        confidence=confidence,
        check_samples=check_samples,
        mask_draws=mask_draws,
        neurons=neurons,
        precision=precision,
        rounded=rounded,
        seed=seed,
        batch_size=batch_size,
    )
    parts = settings.parts
    check_transfer(parts, owned, chosen, adversarial)
    if "stimuli" in parts and stimuli is None:
        raise InputError("the part stimuli needs stimuli=load_stimuli(path)")
    check_encoders((owned if "transfer" in parts else {}) | (named if "white-box" in parts else {}), chosen)
    test = as_data(data, named.values())
    run = run or partial(compute, progress=progress_bar if progress is True else progress or silent)
    # A forward pass alone needs about half the memory of an attack.
    prepared = partial(EvaluatedModel.of, data=test, run=run, batch_size=2 * batch_size, neurons=neurons, precision=precision)
    targets = [prepared(name, model) for name, model in named.items()]
    known = {each.name: each for each in targets}
    attackers = [known.get(name) or prepared(name, model) for name, model in owned.items()]
    at_hand = {each.fingerprint: each.model for each in (*attackers, *targets)} if adversarial else {}
    if "transfer" not in parts:
        attackers = []
    # That a source which is no target cannot be attacked is a mistake; anything else is left out.
    required = {name for name, model in owned.items() if not any(model is target for target in named.values())}
    if mask_draws:
        for source in [each for each in attackers if defects(each.model)]:
            average = mask_average(source.model, draws=mask_draws, seed=seed).eval()
            attackers.append(prepared(f"{source.name} over {mask_draws} masks", average))
    accuracy, of_sources = ({each.name: each.accuracy() for each in group} for group in (targets, attackers))
    able = [target for target in targets if accuracy[target.name]]
    made = partial(generate, samples=samples, seed=seed, rounded=rounded, batch_size=batch_size)
    outcomes = []
    for each in adversarial:
        owner = at_hand.get(each.fingerprint)
        outcomes += [
            score(target, each, threat_model(owner, target.model) if owner is not None else "unknown") for target in targets
        ]
    given = len(outcomes)
    for source in attackers:
        for attack in chosen:
            lacks = _lacks(source, attack)
            # A source that must be attacked says itself that it has no gradient.
            attackable = lacks != "encoder" if source.name in required else not lacks and bool(of_sources[source.name])
            if attackable:
                found = made(source, attack)
                outcomes += [score(target, found, threat_model(source.model, target.model)) for target in targets]
    direct = (*WHITE_BOX, *chosen) if "white-box" in parts else ()
    for target in able if direct else []:
        # Not those that were transferred from itself, on as many images.
        done = {each.adversarial.attack for each in outcomes[given:] if each.target == target.name and each.white_box}
        for attack in {str(each): each for each in direct if str(each) not in done}.values():
            if not _lacks(target, attack):
                outcomes.append(score(target, made(target, attack), "white-box"))
    tried = {each.name: (each, accuracy[each.name], [*direct, *(chosen if each.name in of_sources else ())]) for each in targets}
    tried |= {each.name: (each, of_sources[each.name], chosen) for each in attackers if each.name not in tried}
    return EvaluationResult(
        data=test.name,
        test_images=len(test),
        settings=settings.model_copy(update={"precision": _precision(able, attackers, chosen, parts)}),
        accuracy=accuracy,
        cells=tuple(each.cell() for each in outcomes),
        differences=tuple(differences(outcomes, targets[0].name)),
        outcomes=tuple(outcomes),
        noise=_curves(able, settings, "noise"),
        shuffle=_curves(able, settings, "shuffle"),
        decision={
            each.name: decide(each, settings.decision, samples=decision_samples, seed=seed).result()
            for each in able
            if "decision" in parts
        },
        checks={
            each.name: tuple(run_checks(each, outcomes, samples=check_samples, seed=seed)) for each in able if "checks" in parts
        },
        stimuli={each.name: _shape_report(each, stimuli) for each in targets if stimuli and "stimuli" in parts},
        skipped={name: reason for name, each in tried.items() if (reason := _hindrance(*each))},
        sources=of_sources,
    )


def _precision(
    targets: list[EvaluatedModel], sources: list[EvaluatedModel], attacks: Sequence[AnyAttack], parts: Sequence[Part]
) -> Precision:
    """What attacks computed some of the models in; those of the user get the models themselves."""
    transferred = any(isinstance(each, AttackSpec) and each.name in (*GRADIENT_ATTACKS, "cw") for each in attacks)
    attacked = (sources if transferred else []) + (targets if {"white-box", "checks"} & {*parts} else [])
    return "bf16" if any(each.surrogate is not None for each in attacked) else "fp32"


def _lacks(model: EvaluatedModel, attack: AttackSpec | CustomAttack) -> Literal["gradient", "encoder", ""]:
    """What a model would have to have for an attack; an attack of the user may need a gradient."""
    name = attack.name if isinstance(attack, AttackSpec) else ""
    if name == "lspga" and not encoders(model.model):
        return "encoder"
    return "" if model.differentiable or name in ("boundary", "hopskipjump", "hopskipjump-linf", "noise") else "gradient"


def _hindrance(model: EvaluatedModel, accuracy: Rate, attacks: Sequence[AttackSpec | CustomAttack]) -> str:
    """Why a model was not attacked, or not by all of these attacks; empty for one that was."""
    if not accuracy:
        return f"classifies no image of {model.data.name} correctly, so that there is none to attack"
    reasons = []
    for lacking in ("gradient", "encoder"):
        left_out = list(dict.fromkeys(each.name for each in attacks if _lacks(model, each) == lacking))
        if left_out:
            reasons.append(f"has no {lacking}, so that {', '.join(left_out)} {'is' if len(left_out) == 1 else 'are'} left out")
    return " and ".join(reasons)


def _shape_report(model: EvaluatedModel, stimuli: Stimuli) -> ShapeReport:
    with naming(model.name):
        return shape_report(model.model, stimuli)


def _curves(models: list[EvaluatedModel], settings: Settings, corruption: Literal["noise", "shuffle"]) -> Curves | None:
    """Every model on the same corrupted images, which all of them classify correctly when they are whole."""
    if corruption not in settings.parts or not models:
        return None
    confidence = settings.confidence if corruption == "shuffle" else 0.0
    index = common_sample(models, settings.samples, confidence=confidence, seed=settings.seed)
    sides = models[0].data.image_shape[1:]
    strengths = [each for each in STRENGTHS[corruption] if corruption == "noise" or not any(side % each for side in sides)]
    rates: dict[str, dict[int, Rate]] = {}
    for model in models:
        found = corrupted_correct(model, index, corruption, strengths, seed=settings.seed)
        rates[model.name] = {strength: Rate.among(each) for strength, each in found.items()}
    return Curves(images=len(index), sample=index_hash(index), accuracy=rates)
