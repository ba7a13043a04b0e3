"""The page of an evaluation: its table, the rates as bars, adversarial images and masks, in one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from defective.evaluation import AdversarialSet, EvaluationResult
from defective.inference import as_images
from defective.report.galleries import SHOWN, Example, made_examples, mask_pictures
from defective.report.page import write_page
from defective.surgery import defects

_BARS = "Defence rates, accuracy under the strongest noise and shape bias, as far as measured, with 95 % intervals."
_NEXT_STEPS = (
    ("Evaluate the same models on more images, or by other attacks.", "defective evaluate --help"),
    (
        "Compare with the models of the paper on real images.",
        "defective reproduce table4 --data cifar10 --scale tiny --store runs/store",
    ),
)


def write_evaluation_page(
    result: EvaluationResult,
    targets: Mapping[str, nn.Module],
    classes: Sequence[str],
    path: Path,
    *,
    title: str = "",
    lead: str = "",
    notes: Sequence[str] = (),
    next_steps: Sequence[tuple[str, str]] = _NEXT_STEPS,
) -> None:
    """Write the page.

    Args:
        result: What was measured, with its outcomes.
        targets: The models by name: masks are shown of the first defective one.
        classes: Names of the classes.
        path: Where to write it.
        title, lead: Its heading and what stands below it.
        notes: What else must be known of how it was measured.
        next_steps: What to do next, and the command.
    """
    about, examples = _examples(result, classes)
    defective = next((name for name, model in targets.items() if defects(model)), None)
    write_page(
        path,
        title=title or f"Black-box evaluation on {result.data}",
        lead=lead
        or f"Accuracy of each model on {result.test_images:,} test images, and how much of it remains when images are attacked, "
        "corrupted or shuffled.",
        measured=result.as_table(),
        figures={_BARS: chart} if (chart := result.as_figure()) else {},
        about_examples=about,
        examples=examples,
        about_masks="First channels of the first masks of the first defective model.",
        masks=mask_pictures(targets[defective], name=defective, data=result.data) if defective is not None else [],
        provenance=[*notes, *_provenance(result)],
        next_steps=next_steps,
    )


def examples_of(adversarial: AdversarialSet, predicted: Mapping[str, Tensor], classes: Sequence[str]) -> list[Example]:
    """Images that fooled the source, those first about which the models disagree.

    Args:
        adversarial: Clean and adversarial images.
        predicted: Name of each model to the classes ``(N,)`` that it sees in the adversarial images.
        classes: Names of the classes.
    """
    y, fooled = adversarial.y.cpu(), adversarial.fooled.cpu()
    correct = [each.cpu() == y for each in predicted.values()]
    agree = sum(each.int() for each in correct).remainder(len(correct)) == 0  # type: ignore[union-attr]
    order = (agree.int() + 2 * (~fooled).int()).argsort(stable=True)[: min(SHOWN, int(fooled.sum()))]
    x, x_adv = ((as_images(each.cpu()) * 255).round().to(torch.uint8) for each in (adversarial.x, adversarial.x_adv))
    largest = max(int((x_adv.int() - x.int()).abs().max()), 1) / 255
    seen = [(name, each.cpu()[order]) for name, each in predicted.items()]
    return made_examples({"x": x[order], "x_adv": x_adv[order], "y": y[order]}, seen, classes, largest)


def _examples(result: EvaluationResult, classes: Sequence[str]) -> tuple[str, list[Example]]:
    if not result.outcomes:
        return "", []
    adversarial = result.outcomes[-1].adversarial
    predicted = {each.target: each.adv_predicted for each in result.outcomes if each.adversarial is adversarial}
    about = (
        f"{adversarial.attack.replace(',', ', ')} on {adversarial.source}: {int(adversarial.fooled.sum()):,} of {len(adversarial.y):,} "
        "images fool it. Shown are some of those, first where models differ, with every model's prediction."
    )
    return about, examples_of(adversarial, predicted, classes)


def _provenance(result: EvaluationResult) -> list[str]:
    machine, settings = result.machine or {}, result.settings
    lines = [
        "Transfer: share of adversarial images classified correctly, among those that the model classified correctly before and that "
        "fooled the source.",
        f"Up to {settings.samples:,} images per source and attack, seed {settings.seed}; parts {', '.join(settings.parts)}.",
    ]
    if machine:
        versions = f"torch {machine['torch']}, defective {machine['defective']}"
        lines.append(f"{machine['device']}, {machine['precision']}, {versions}; {result.seconds or 0:.0f} seconds.")
    return [*lines, "The intervals cover the sample of images, not training with another seed. Every number is in evaluation.json."]
