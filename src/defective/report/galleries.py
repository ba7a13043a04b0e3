"""Attacked images with what each net says of them, and pictures of masks, from a store."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from torch import nn

from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.experiments.store import name_of
from defective.report.parts import Shelf
from defective.report.pictures import mask_picture, perturbation_picture, picture
from defective.results.measured import Document
from defective.specs import CraftJob, ScoreJob, TrainJob
from defective.surgery import defects, mask_layers
from defective.training.checkpoint import load

Picture = dict[str, Any]
# Nets whose masks are shown: the first of them that the store has, else any defective one.
_SHOWN = ("resnet18/0.1-bottom", "resnet18/0.5-bottom")


def gallery(document: Document, plan: Plan, shelf: Shelf) -> list[Picture]:
    """The images of a gallery exhibit: row by row the set attacked first, every image of it, the verdicts of all its columns.

    Args:
        document: What :func:`defective.results.measured.document` says of it.
        plan: How many images it shows.
        shelf: Where the images and the nets' answers lie.

    Returns:
        For each image ``caption`` (of the row), ``label`` (true class), ``original``, ``perturbation``, ``adversarial`` (PNG data
        addresses), ``verdicts`` (``net``, the class it ``says``, whether that is ``right``) and ``spec``, the attack in words.
    """
    count = plan.setups[0].scale.gallery
    found: list[Picture] = []
    for row in document["rows"]:
        cells = [cell for cell in document["cells"] if cell["row"] == row["name"]]
        judged = _by_set([(cell["column"], name) for cell in cells for name in cell["jobs"]], shelf)
        if judged:
            # Of several seeds the first.
            crafted = min(judged, key=lambda job: job.seed)
            found += _pictures(row["label"], crafted, judged[crafted], count, shelf)
    return found


def examples(document: Document, shelf: Shelf, count: int = 6) -> list[Picture]:
    """The first images of one attacked set of a table, the one that most of its nets have judged; as :func:`gallery`."""
    labels = {row["name"]: row["label"] for row in document["rows"]}
    judged = _by_set([(labels[cell["row"]], name) for cell in document["cells"] for name in cell["jobs"]], shelf)
    if not judged:
        return []
    crafted = max(judged, key=lambda job: len(judged[job]))
    return _pictures(str(crafted.attack), crafted, judged[crafted], count, shelf)


def masks(plan: Plan, shelf: Shelf, *, count: int = 2) -> list[dict[str, str]]:
    """Pictures of the first masks of one trained defective net.

    Args:
        plan: Take a net of this plan.
        shelf: Where it lies.
        count: Masks shown.

    Returns:
        For each ``net``, ``data`` (the set it was trained on), ``site``, ``live`` and ``total`` neurons, ``picture`` (a PNG data
        address); empty if there is no such net.
    """
    jobs = [job for job in plan.jobs if isinstance(job, TrainJob) and shelf.store.result(job)]
    # Channels that the released code takes out leave no mask behind.
    defective = [job for job in jobs if job.net.defects and job.net.pattern != "channel" and (shelf.store.at(job) / "net").is_dir()]
    for job in sorted(defective, key=lambda job: _SHOWN.index(str(job.net)) if str(job.net) in _SHOWN else len(_SHOWN)):
        net = shelf.read(name_of(job), partial(load, shelf.store.at(job) / "net"))
        if net is not None:
            return _of_net(job, net, count)
    return []


def _of_net(job: TrainJob, net: nn.Module, count: int) -> list[dict[str, str]]:
    return [
        {
            "net": str(job.net),
            "data": job.data,
            "site": defect.site,
            "live": f"{defect.live:,}",
            "total": f"{defect.total:,}",
            "picture": mask_picture(mask_layers(net)[defect.site].defect_mask[0]),
        }
        for defect in defects(net)[:count]
    ]


def _by_set(scores: Iterable[tuple[str, str]], shelf: Shelf) -> dict[CraftJob, dict[ScoreJob, str]]:
    """Attacked sets, and of each the jobs that judged it, with what the judging net is called."""
    found: dict[CraftJob, dict[ScoreJob, str]] = {}
    for net, name in scores:
        job = shelf.read(name, partial(shelf.store.spec, name)) if name.startswith("score-") else None
        if isinstance(job, ScoreJob):
            # By job: two nets may be called the same. One that stands in two rows keeps its first name.
            found.setdefault(job.crafted, {}).setdefault(job, net)
    return found


def _pictures(caption: str, job: CraftJob, judges: dict[ScoreJob, str], count: int, shelf: Shelf) -> list[Picture]:
    kept, result = shelf.tensors(job, "pictures.safetensors"), shelf.store.result(job)
    if kept is None or result is None:
        return []
    images, about = kept
    answered = ((net, shelf.tensors(judge, "outcome.safetensors")) for judge, net in judges.items())
    # Fewer answers than images: the set was made again since.
    answers = [
        (net, answer[0]["attacked"]) for net, answer in answered if answer and len(answer[0]["attacked"]) >= len(images["y"])
    ]
    largest = float(job.attack.parameters.get("eps") or result["changes"]["linf_max"]) or 1.0
    classes, labels = about["classes"], images["y"].tolist()
    return [
        {
            "caption": caption,
            "label": classes[label],
            "original": picture(x),
            "perturbation": perturbation_picture(x, x_adv, largest),
            "adversarial": picture(x_adv),
            "verdicts": [
                {"net": net, "says": classes[int(answer[number])], "right": int(answer[number]) == label} for net, answer in answers
            ],
            "spec": describe(job),
        }
        for number, (x, x_adv, label) in enumerate(zip(images["x"][:count], images["x_adv"][:count], labels[:count], strict=True))
    ]
