"""One report of a made store, which several tests read."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from defective import paper
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.report import report
from defective.report.galleries import Example, MaskPicture, Prediction
from defective.results import exhibit_result, from_store
from runs import filled_store, finish

SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28)}
# A table of all kinds of cells, one of scores, one without printed numbers, a gallery, a drawing, and one of two data sets.
EXHIBITS = ("table4", "table7", "figure5", "figure6", "figure8", "figure14")
ASKED = Plan(EXHIBITS, "tiny", {"cifar10": "cifar10", "mnist": "mnist"}, SHAPES)
SEEDS = Plan(("table7",), "fast", {"cifar10": "cifar10-jpeg"}, SHAPES, seeds=3)
ADDRESSES = [f"data:image/png;base64,A{letter}==" for letter in "ABCD"]
EXAMPLE = Example("frog & toad", *ADDRESSES[:3], (Prediction("plain <i>", "cat", False),), "PGD <b>", "pgd of <source>")
MASK = MaskPicture("a net", "", "stem <u>", 10, 100, ADDRESSES[3])


class Made(NamedTuple):
    store: Store
    out: Path
    files: list[Path]
    html: str
    # Name on the page to exhibit and plan.
    shown: dict[str, tuple[str, Plan]]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The report; of each exhibit the caption names it, of each plan the masks name its set."""
    folder = tmp_path_factory.mktemp("report")
    for job in dict.fromkeys((*ASKED.jobs, *SEEDS.jobs)):
        if job.kind == "train":
            # 21.35 %: floats made in one way or another lie on either side of it.
            finish(Store(folder / "store"), job, values={"test_accuracy": {"num_correct": 427, "num_evaluated": 2000}})
    filled_store(folder / "store", ASKED, every=7)
    # Of some models one seed is missing.
    store = filled_store(folder / "store", SEEDS, every=5)
    document, drawn = from_store.document, report.plots.plot

    def captioned(exhibit, *rest):
        return document(exhibit, *rest).model_copy(update={"caption": f"Rows & columns of {exhibit.name}."})

    with pytest.MonkeyPatch.context() as patch:
        rows = [replace(EXAMPLE, caption=caption) for caption in ("one", "one", "two", "six")]
        patch.setattr(report.galleries, "gallery", lambda *given: rows)
        patch.setattr(report.galleries, "examples", lambda document, *rest: [EXAMPLE] if document.exhibit == "table4" else [])
        patch.setattr(report.galleries, "masks", lambda plan, reader: [replace(MASK, data=plan.data["cifar10"])])
        patch.setattr(report.drawings, "drawing", lambda *given: Figure(figsize=(1, 1)))
        # One plot is enough here; test_plots.py looks at them.
        patch.setattr(
            report.plots, "plot", lambda document, store: drawn(document, store) if document.exhibit == "figure5" else None
        )
        patch.setattr(from_store, "document", captioned)
        files, skipped = report.write_report(store, folder / "out")
    assert skipped == []
    shown = {"table4": ("table4", ASKED), "table7-fast-cifar10-jpeg": ("table7", SEEDS), "table7-tiny-cifar10": ("table7", ASKED)}
    shown |= {name: (name, ASKED) for name in EXHIBITS[2:]}
    return Made(store, folder / "out", files, (folder / "out" / "index.html").read_text(encoding="utf-8"), shown)


@pytest.fixture(scope="session")
def report_page(made):
    return BeautifulSoup(made.html, "html.parser")


@pytest.fixture(scope="session")
def documents(made):
    """What was measured, by name on the page."""
    return {
        name: exhibit_result.document(paper.EXHIBITS[exhibit], plan, made.store) for name, (exhibit, plan) in made.shown.items()
    }
