"""Attacked images with what each net says of them, and pictures of masks, from a store."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from defective.campaign.describe import describe, title
from defective.campaign.measured import Document
from defective.campaign.plan import Plan
from defective.campaign.store import Store
from defective.files import read_tensors
from defective.report.pictures import mask_picture, perturbation_picture, picture
from defective.specs import CraftJob, ScoreJob, TrainJob
from defective.surgery import defects
from defective.training.checkpoint import load

Picture = dict[str, Any]
# Nets whose masks are shown: the first of them that the store has, else any defective one.
_SHOWN = ("resnet18/0.1-bottom", "resnet18/0.5-bottom")


def gallery(document: Document, plan: Plan, store: Store) -> list[Picture]:
    """The images of a gallery exhibit: row by row the set attacked first, every image of it, the verdicts of all its columns.

    Args:
        document: What :func:`defective.campaign.measured.document` says of it.
        plan: How many images it shows.
        store: Where the images and the nets' answers lie.

    Returns:
        For each image ``caption`` (of the row), ``label`` (true class), ``original``, ``perturbation``, ``adversarial`` (PNG data
        addresses), ``verdicts`` (``net``, the class it ``says``, whether that is ``right``) and ``spec``, the attack in words.
    """
    count = plan.setups[0].scale.gallery
    found: list[Picture] = []
    for row in document["rows"]:
        cells = [cell for cell in document["cells"] if cell["row"] == row["name"]]
        judged = _by_set([(cell["column"], name) for cell in cells for name in cell["jobs"]], store)
        if judged:
            # Of several seeds the first.
            crafted = min(judged, key=lambda job: job.seed)
            found += _pictures(row["label"], crafted, judged[crafted], count, store)
    return found


def examples(document: Document, store: Store, count: int = 6) -> list[Picture]:
    """The first images of one attacked set of a table, the one that most of its nets have judged; as :func:`gallery`."""
    judged = _by_set([("", name) for name in document["jobs"]], store)
    if not judged:
        return []
    crafted = max(judged, key=lambda job: len(judged[job]))
    return _pictures(str(crafted.attack), crafted, judged[crafted], count, store)


def masks(store: Store, plan: Plan | None = None, *, count: int = 2) -> list[dict[str, str]]:
    """Pictures of the first masks of one trained defective net.

    Args:
        store: Where it lies.
        plan: Take a net of this plan; default: of any.
        count: Masks shown.

    Returns:
        For each ``net``, ``site``, ``live`` and ``total`` neurons, ``picture`` (a PNG data address); empty if there is no such net.
    """
    jobs = _trained(store) if plan is None else (job for job in plan.jobs if isinstance(job, TrainJob) and store.result(job))
    # Channels that the released code takes out leave no mask behind.
    defective = [job for job in jobs if job.net.defects and job.net.pattern != "channel"]
    if not defective:
        return []
    job = min(defective, key=lambda job: _SHOWN.index(str(job.net)) if str(job.net) in _SHOWN else len(_SHOWN))
    net = load(store.at(job) / "net")
    return [
        {
            "net": str(job.net),
            "site": defect.site,
            "live": f"{defect.live:,}",
            "total": f"{defect.total:,}",
            "picture": mask_picture(_mask(net.get_submodule(defect.site).defect_mask)),
        }
        for defect in defects(net)[:count]
    ]


def _mask(buffer: Any) -> Tensor:
    mask: Tensor = buffer[0]
    return mask


def _trained(store: Store) -> Iterator[TrainJob]:
    return (job for _, job in store.specs() if isinstance(job, TrainJob))


def _by_set(scores: Iterable[tuple[str, str]], store: Store) -> dict[CraftJob, dict[str, str]]:
    """Attacked sets, and of each the jobs that judged it, by the name given to the judging net; without one by its title."""
    found: dict[CraftJob, dict[str, str]] = {}
    for net, name in scores:
        job = store.spec(name) if name.startswith("score-") else None
        if isinstance(job, ScoreJob):
            found.setdefault(job.crafted, {})[net or title(job.target)] = name
    return found


def _pictures(caption: str, job: CraftJob, nets: dict[str, str], count: int, store: Store) -> list[Picture]:
    kept, result = store.at(job) / "pictures.safetensors", store.result(job)
    # A store may have been copied without its images, and a result may be damaged.
    if not kept.is_file() or result is None:
        return []
    images, about = read_tensors(kept)
    answers = {net: read_tensors(store.at(name) / "outcome.safetensors")[0]["attacked"] for net, name in nets.items()}
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
                {"net": net, "says": classes[int(answer[number])], "right": int(answer[number]) == label}
                for net, answer in answers.items()
            ],
            "spec": describe(job),
        }
        for number, (x, x_adv, label) in enumerate(zip(images["x"][:count], images["x_adv"][:count], labels[:count], strict=True))
    ]
