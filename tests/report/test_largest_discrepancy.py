from typing import Any

import pytest

import runs
from defective.report.largest_discrepancy import largest_discrepancy
from defective.results.documents import ExhibitResult
from runs import exhibit_result


def result(cells: list[dict[str, Any]], **changes) -> ExhibitResult:
    return exhibit_result("table4", ["PGD16"], {"a": "Plain", "b": "Half"}, cells, **changes)


def cell(row: str, published: float | None, mean: float, half: float) -> dict[str, Any]:
    apart = None if published is None else mean - published
    around = None if apart is None else {"mean": apart, "low": apart - half, "high": apart + half}
    return runs.cell(row, "PGD16", published, (mean, mean, mean)) | {"difference": around}


def test_the_largest_clear_difference_is_named():
    cells = [cell("a", 50.0, 40.0, 5.0), cell("b", 50.0, 80.0, 31.0), cell("b", 20.0, 32.0, 2.0)]
    assert largest_discrepancy(result(cells)) == (
        "Largest clear difference: Half, PGD16, 32.0 measured and 20.00 published (+12.0, 95 % interval +10.0 to +14.0)."
    )


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
