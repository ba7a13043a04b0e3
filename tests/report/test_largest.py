import pytest

from defective.report.largest import largest_difference

ROWS = [{"name": "a", "label": "Plain"}, {"name": "b", "label": "Half"}]
ABOUT = {"scale": "tiny", "data": {"cifar10": "cifar10-jpeg"}, "seeds": 1, "unit": "%", "notes": ["one", "two"], "rows": ROWS}


def cell(row: str, published: float | None, mean: float, half: float) -> dict:
    moved = None if published is None else mean - published
    around = None if moved is None else {"mean": moved, "low": moved - half, "high": moved + half}
    return {"row": row, "column": "PGD16", "published": published, "measured": {"mean": mean}, "difference": around}


def test_the_largest_clear_difference_is_named_with_what_bears_on_it():
    cells = [cell("a", 50.0, 40.0, 5.0), cell("b", 50.0, 80.0, 31.0), cell("b", 20.0, 32.0, 2.0)]
    assert largest_difference({"cells": cells, **ABOUT}) == (
        "Largest clear difference: Half, PGD16, 32.0 measured and 20.00 published (+12.0, 95 % interval +10.0 to +14.0). What bears on it: "
        "tiny scale instead of the paper's, cifar10-jpeg in place of cifar10, one seed, what is said in its 2 notes."
    )


def test_official_files_at_the_papers_scale_are_no_choice():
    about = ABOUT | {"scale": "paper", "data": {"mnist": "m"}, "readers": {"mnist": "mnist"}, "seeds": 3, "notes": []}
    text = largest_difference({"cells": [cell("a", 50.0, 40.0, 5.0)], **about})
    assert text.endswith("(−10.0, 95 % interval −15.0 to −5.0).")


def test_scores_are_compared_by_their_ratio():
    # Twice as much, and a hundredth of it.
    cells = [cell("a", 1e-2, 2e-2, 1e-3), cell("b", 1e-4, 1e-6, 1e-6)]
    assert "Half, PGD16, 1.0e-06 measured and 1.0e-04 published" in largest_difference({"cells": cells, **ABOUT, "unit": "S(M)"})


def test_where_no_difference_is_clear_that_is_said():
    cells = [cell("a", 50.0, 40.0, 11.0), cell("b", None, 40.0, 1.0)]
    assert largest_difference({"cells": cells, **ABOUT}).startswith("No clear difference: where numbers can be compared (1),")


@pytest.mark.parametrize("cells", [[], [cell("a", None, 1.0, 0.1)]])
def test_without_numbers_to_compare_nothing_is_said(cells):
    assert largest_difference({"cells": cells, **ABOUT}) == ""
