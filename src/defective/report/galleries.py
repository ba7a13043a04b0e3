"""Adversarial examples with what each model predicts, and pictures of masks, from a store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.paper import EXHIBITS, Cell
from defective.report.pictures import mask_picture, perturbation_picture, picture
from defective.report.sections import ResultReader
from defective.results.documents import ExhibitResult
from defective.specs import GenerateJob, ScoreJob, TrainJob
from defective.surgery import defects, mask_layers
from defective.training.checkpoint import load


class Prediction(NamedTuple):
    """What a model predicts for an adversarial image."""

    model: str
    predicted: str
    correct: bool


@dataclass(frozen=True)
class Example:
    """An adversarial example: ``caption`` is what it is shown under, ``label`` its class, the images are PNG data addresses."""

    label: str
    original: str
    perturbation: str
    adversarial: str
    predictions: tuple[Prediction, ...]
    caption: str = ""
    attack: str = ""


@dataclass(frozen=True)
class MaskPicture:
    """A mask of a model: ``data`` is the set that the model was trained on, ``picture`` a PNG data address."""

    model: str
    data: str
    site: str
    live: int
    total: int
    picture: str


# Images shown of a table or an evaluation.
SHOWN = 6
# Models whose masks are shown: the first of them that the store has, else any defective one.
_MASKED = ("resnet18/0.1-bottom", "resnet18/0.5-bottom")


def gallery(result: ExhibitResult, plan: Plan, reader: ResultReader) -> list[Example]:
    """The images of a gallery exhibit: for each row every image of the set attacked first, with the predictions of all columns."""
    cells = plan.of(EXHIBITS[result.exhibit])
    found: list[Example] = []
    for row in result.rows:
        scored = _by_set(((column, cell) for column in result.columns for cell in cells.get((row.name, column), [])), reader)
        if scored:
            # Of several seeds the first.
            generated = min(scored, key=lambda job: job.seed)
            found += _examples(row.label, generated, scored[generated], reader)
    return found


def examples(result: ExhibitResult, plan: Plan, reader: ResultReader) -> list[Example]:
    """Images of one adversarial set of a table, the one that most of its models were evaluated on.

    Those come first on which about half of the models are correct: they show how the models differ.
    """
    cells = plan.of(EXHIBITS[result.exhibit])
    scored = _by_set(
        ((result.label(each.row), cell) for each in result.cells for cell in cells.get((each.row, each.column), [])), reader
    )
    if not scored:
        return []
    generated = max(scored, key=lambda job: len(scored[job]))
    found = _examples(str(generated.attack), generated, scored[generated], reader)
    found.sort(key=lambda example: abs(2 * sum(each.correct for each in example.predictions) - len(example.predictions)))
    return found[:SHOWN]


def masks(plan: Plan, reader: ResultReader) -> list[MaskPicture]:
    """The first masks of one trained defective model of a plan; empty if there is no such model."""
    trained = [job for job in plan.jobs if isinstance(job, TrainJob) and (reader.store.at(job) / "net").is_dir()]
    # Channels that the released code takes out leave no mask behind.
    defective = [job for job in trained if job.net.defects and job.net.pattern != "channel" and reader.store.result(job)]
    for job in sorted(defective, key=lambda job: _MASKED.index(str(job.net)) if str(job.net) in _MASKED else len(_MASKED)):
        model = reader.read(job.name, partial(load, reader.store.at(job) / "net"))
        if model is not None:
            return mask_pictures(model, name=str(job.net), data=job.data)
    return []


def mask_pictures(model: nn.Module, *, name: str, data: str) -> list[MaskPicture]:
    """The first two masks of a defective model."""
    layers = mask_layers(model)
    return [
        MaskPicture(name, data, defect.site, defect.live, defect.total, mask_picture(layers[defect.site].defect_mask[0]))
        for defect in defects(model)[:2]
    ]


def _by_set(cells: Iterable[tuple[str, Cell]], reader: ResultReader) -> dict[GenerateJob, dict[ScoreJob, str]]:
    """Adversarial sets, and of each the finished jobs that evaluated a model on it, with what the model is called."""
    found: dict[GenerateJob, dict[ScoreJob, str]] = {}
    for model, cell in cells:
        if isinstance(cell.job, ScoreJob) and reader.store.result(cell.job) is not None:
            # By job: two models may be called the same. One that stands in two rows keeps its first name.
            found.setdefault(cell.job.adversarial, {}).setdefault(cell.job, model)
    return found


def _examples(caption: str, job: GenerateJob, scores: dict[ScoreJob, str], reader: ResultReader) -> list[Example]:
    stored, result = reader.tensors(job, "pictures.safetensors"), reader.store.result(job)
    if stored is None or result is None:
        return []
    images, about = stored
    outcomes = ((model, reader.tensors(score, "outcome.safetensors")) for score, model in scores.items())
    # Fewer predictions than images: the set was generated again since.
    predicted = [
        (model, found[0]["attacked"]) for model, found in outcomes if found and len(found[0]["attacked"]) >= len(images["y"])
    ]
    largest = float(job.attack.parameters.get("eps") or result["changes"]["linf_max"]) or 1.0
    return made_examples(images, predicted, about["classes"], largest, caption=caption, attack=describe(job))


def made_examples(
    images: Mapping[str, Tensor], predicted: Sequence[tuple[str, Tensor]], classes: Sequence[str], largest: float, **about: str
) -> list[Example]:
    """Examples of ``x`` and ``x_adv``, uint8 ``(N, C, H, W)``, of classes ``y``, with what each model predicts for the latter.

    ``largest`` is the change that is shown as black or white, ``about`` the caption and the attack.
    """
    return [
        Example(
            label=classes[label],
            original=picture(x),
            perturbation=perturbation_picture(x, x_adv, largest),
            adversarial=picture(x_adv),
            predictions=tuple(Prediction(model, classes[int(each[i])], int(each[i]) == label) for model, each in predicted),
            **about,
        )
        for i, (x, x_adv, label) in enumerate(zip(images["x"], images["x_adv"], images["y"].tolist(), strict=True))
    ]
