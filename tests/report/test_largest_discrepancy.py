from typing import Any

import pytest

import runs
from defective.data.official import KINDS
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS
from defective.report.largest_discrepancy import largest_discrepancy
from defective.results.documents import ExhibitResult
from defective.results.exhibit_result import document
from runs import exhibit_result, finish


def result(cells: list[dict[str, Any]], **changes) -> ExhibitResult:
    return exhibit_result("table4", ["PGD16"], {"a": "Plain", "b": "Half"}, cells, **changes)


def cell(row: str, published: float | None, mean: float, half: float) -> dict[str, Any]:
    apart = None if published is None else mean - published
    around = None if apart is None else {"mean": apart, "low": apart - half, "high": apart + half}
    return runs.cell(row, "PGD16", published, (mean, mean, mean)) | {"difference": around}


def test_the_largest_clear_difference_is_named_with_what_bears_on_it():
    cells = [cell("a", 50.0, 40.0, 5.0), cell("b", 50.0, 80.0, 31.0), cell("b", 20.0, 32.0, 2.0)]
    assert largest_discrepancy(result(cells)) == (
        "Largest clear difference: Half, PGD16, 32.0 measured and 20.00 published (+12.0, 95 % interval +10.0 to +14.0). Possible causes: "
        "tiny scale instead of the paper's, cifar10-jpeg in place of cifar10, one seed."
    )


@pytest.mark.parametrize(
    ("place", "data", "counts", "told"),
    [
        (
            ("table3", "resnet18/0.5-bottom", "DenseNet-121"),
            {"cifar10": "cifar10-jpeg"},
            {"num_correct": 1, "num_evaluated": 691},
            "a quarter of the width, 5 of the paper's 350 epochs (3 for the source), 691 images instead of up to 5,000, "
            "cifar10-jpeg in place of cifar10, one seed",
        ),
        (
            ("table2", "wrn32_4 adversarial", "PGD"),
            {"cifar10": "cifar10"},
            {"num_correct": 1, "num_evaluated": 1990},
            "a quarter of the width, 2 of the paper's 350 epochs, 1,990 images instead of up to 10,000, one seed",
        ),
        (
            ("table6", "resnet50", "Test Accuracy"),
            {"mnist": "mnist-17k"},
            {"num_correct": 1, "num_evaluated": 10_000},
            "a quarter of the width, 3 of the paper's 50 epochs, mnist-17k in place of mnist, one seed",
        ),
        (
            ("table4", "resnet18", "CW40"),
            {"cifar10": "cifar10"},
            {"num_correct": 49, "num_evaluated": 50},
            "a quarter of the width, 5 of the paper's 350 epochs (3 for the source), an attack with confidence 10 instead of 40 and "
            "steps 100 instead of 1000 and search steps 6 instead of 30, 50 images instead of up to 1,000, one seed",
        ),
        (
            ("table1", "resnet18", "2×2"),
            {"imagenet": "few"},
            {"num_correct": 1, "num_evaluated": 24},
            "a quarter of the width, 6 of the paper's 100 epochs, images with confidence 0.9 instead of 0.99, 24 images instead of up "
            "to 4,000, few in place of imagenet, one seed",
        ),
        (
            ("table7", "resnet18", "S(M)"),
            {"cifar10": "cifar10"},
            {"score": 1.0, "low": 0.9, "high": None, "images": 47},
            "a quarter of the width, 5 of the paper's 350 epochs, an attack with directions 1 instead of 25, 47 images instead of up to "
            "500, one seed",
        ),
    ],
)
def test_what_was_less_than_in_the_paper_is_that_of_the_number_in_question(tmp_path, place, data, counts, told):
    # A stand-in for ImageNet of small images: its recipe is told by the jobs that were done.
    shapes = KINDS | {"imagenet": (3, 64, 64)}
    name, row, column = place
    asked = Plan((name,), "tiny", data, shapes, readers={"mnist": "mnist"} if "mnist" in data else {})
    store = Store(tmp_path / "store")
    ((job, value),) = [(each.job, each.value) for each in asked.of(EXHIBITS[name])[row, column]]
    # Only this number can be compared: of the others of its job nothing could be counted.
    nothing = {each.value: {"num_correct": 0, "num_evaluated": 0} for cells in asked.of(EXHIBITS[name]).values() for each in cells}
    finish(store, job, values={**nothing, value: counts})
    assert largest_discrepancy(document(EXHIBITS[name], asked, store)).partition("Possible causes: ")[2] == f"{told}."


def test_a_full_run_at_the_papers_scale_leaves_nothing_to_say(tmp_path):
    asked = Plan(("table4",), "paper", {"cifar10": "cifar10"}, KINDS, seeds=3)
    store = Store(tmp_path / "store")
    for each in asked.of(EXHIBITS["table4"])["resnet18", "PGD16"]:
        finish(store, each.job, values={each.value: {"num_correct": 4000, "num_evaluated": 4900}})
    text = largest_discrepancy(document(EXHIBITS["table4"], asked, store))
    assert text.startswith("Largest clear difference: ResNet-18, PGD16, 81.6 measured") and "Possible causes" not in text


def test_official_files_at_the_papers_scale_are_no_choice():
    text = largest_discrepancy(result([cell("a", 50.0, 40.0, 5.0)], scale="paper", data={"cifar10": "cifar10"}, seeds=3))
    assert text.endswith("(−10.0, 95 % interval −15.0 to −5.0).")


def test_scores_are_compared_by_their_ratio():
    # Twice as much, and a hundredth of it.
    cells = [cell("a", 1e-2, 2e-2, 1e-3), cell("b", 1e-4, 1e-6, 1e-6)]
    assert "Half, PGD16, 1.0e-06 measured and 1.0e-04 published" in largest_discrepancy(result(cells, unit="S(M)"))


def test_where_no_difference_is_clear_that_is_said():
    cells = [cell("a", 50.0, 40.0, 11.0), cell("b", None, 40.0, 1.0)]
    assert largest_discrepancy(result(cells)).startswith("No clear difference: in all 1 numbers that can be compared,")


@pytest.mark.parametrize("cells", [[], [cell("a", None, 1.0, 0.1)]])
def test_without_numbers_to_compare_nothing_is_said(cells):
    assert largest_discrepancy(result(cells)) == ""
