import pytest

from defective.report.exhibit_table import compact_table, exhibit_table, page_table
from defective.results.documents import ExhibitResult
from defective.tables import format_table
from runs import cell, exhibit_result

RATES = exhibit_result(
    "table4",
    ["PGD16", "Test Accuracy"],
    {"plain": "ResNet-18", "dc": "0.5-Bottom_DC & 50 %"},
    [
        cell("plain", "PGD16", 14.14, (20.04, 15.06, 26.25), 691, job="score-a"),
        cell("plain", "Test Accuracy", 95.3, None),
        cell("dc", "PGD16", None, (100.0, 99.0, 100.0), 2000, job="score-b"),
        cell("dc", "Test Accuracy", None, None),
    ],
    title="What of the design matters",
)


def scores(seeds: int = 3) -> ExhibitResult:
    found = cell("plain", "S(M)", 7.3e-06, (3.512e-05, 1e-06, float("inf")), seeds=seeds, job="decision-a")
    about = {"unit": "S(M)", "seeds": 3, "data": {"cifar10": "cifar10"}}
    return exhibit_result("table7", ["S(M)"], {"plain": "Standard CNN"}, [found], title="The boundary attack", **about)


def markdown(shown: ExhibitResult) -> str:
    return format_table(exhibit_table(shown), "markdown")


UNPUBLISHED = RATES.model_copy(update={"cells": tuple(each.model_copy(update={"published": None}) for each in RATES.cells)})


def test_a_table_is_exactly_this():
    assert markdown(RATES) == (
        "**Table 4. What of the design matters.** In %. Measured at tiny scale, cifar10-jpeg in place of cifar10, 1 seed, 691–2,000 "
        "images per number, with 95 % intervals; – is not measured or not printed.\n"
        "\n"
        "|  | PGD16, published | PGD16, measured | Test Accuracy, published | Test Accuracy, measured |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| ResNet-18 | 14.14 | 20.0 (15.1–26.2) | 95.30 | – |\n"
        "| 0.5-Bottom\\_DC & 50 % | – | 100.0 (99.0–100.0) | – | – |\n"
    )


def test_in_latex_columns_span_their_kinds():
    lines = format_table(exhibit_table(RATES), "latex").splitlines()
    assert lines[4] == r"\label{tab:table4}"
    assert lines[8:10] == [
        r" & \multicolumn{2}{c}{PGD16} & \multicolumn{2}{c}{Test Accuracy} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}",
    ]
    assert r"ResNet-18 & 14.14 & 20.0 (15.1--26.2) & 95.30 & -- \\" in lines


def test_scores_have_two_digits_and_say_of_how_many_seeds_they_are():
    assert "| Standard CNN | 7.3e-06 | 3.5e-05 (1.0e-06–∞) |" in markdown(scores())
    assert "cifar10, 3 seeds, 50 images per number and seed, with" in markdown(scores())
    assert "| Standard CNN | 7.3e-06 | 3.5e-05 (1.0e-06–∞; 2 of 3 seeds) |" in markdown(scores(2))


def test_where_nothing_was_printed_only_the_measured_is_shown():
    assert "|  | PGD16, measured | Test Accuracy, measured |" in markdown(UNPUBLISHED)
    table = page_table(UNPUBLISHED)
    assert table.columns == ("in %", "PGD16", "Test Accuracy") and table.groups == ()


def test_the_page_has_differences_too():
    table = page_table(RATES)
    assert table.columns == ("in %", *("published", "measured", "difference") * 2)
    assert table.groups == (("PGD16", 3), ("Test Accuracy", 3))
    assert table.rows[0] == ("ResNet-18", "14.14", "20.0 (15.1–26.2)", "–", "95.30", "–", "–")


def test_a_terminal_shows_both_numbers_in_one_cell_and_of_several_seeds_the_interval():
    table = compact_table(RATES)
    assert table.columns == ("published | measured", "PGD16", "Test Accuracy") and table.notes == ()
    assert table.title == "table4: What of the design matters (tiny, cifar10-jpeg)"
    assert table.rows == (("ResNet-18", "14.1 | 20.0", "95.3 | –"), ("0.5-Bottom_DC & 50 %", "100.0", "–"))
    assert compact_table(UNPUBLISHED).columns[0] == "measured"
    several = compact_table(scores(2))
    assert several.rows == (("Standard CNN", "7.3e-06 | 3.5e-05 (1.0e-06–∞; 2 of 3 seeds)"),)
    assert several.notes == ("Mean of 3 seeds and its 95 % interval.",)


def test_a_cell_whose_images_all_fell_out_is_told_from_one_that_is_not_measured():
    cells = [cell("a", "PGD", 1.5, None, job="score-0123456789abcdef"), cell("b", "PGD", 2.5, None)]
    lines = markdown(exhibit_result("table4", ["PGD"], {"a": "a", "b": "b"}, cells, title="Nets")).splitlines()
    assert lines[-2:] == ["| a | 1.50 | no images |", "| b | 2.50 | – |"]


def test_a_cw_column_says_which_confidence_was_asked_for():
    number = cell("plain", "CW40", 8.23, (20.0, 15.0, 26.0), job="score-a")
    renamed = exhibit_result("table4", ["CW40"], {"plain": "ResNet-18"}, [number])
    assert "| CW40 (at confidence 10), published |" in markdown(renamed)
    assert "CW40 (at confidence 10)" in compact_table(renamed).columns
    assert "| CW40, published |" in markdown(renamed.model_copy(update={"scale": "paper"}))


def controlled(verdict: str) -> ExhibitResult:
    checkpoints = [
        [{"epochs": n, "accuracy": 10.0 * n, "rate": 30.0, "share": 0.5, "jobs": ["train-a", "score-a"]} for n in (5, 6)]
    ]
    control = {"accuracy": 55, "rate": 30, "difference": {"mean": 20, "low": 10, "high": 30}, "verdict": verdict, "reason": ""}
    number = cell("dc", "PGD16", None, (50.0, 45.0, 55.0), job="score-b")
    number |= {"control": control | {"checkpoints": checkpoints}, "all": number["measured"] | {"mean": 41.23}}
    return exhibit_result("table4", ["PGD16"], {"dc": "0.5-Bottom"}, [number], title="Ablations")


@pytest.mark.parametrize(("verdict", "word"), [("yes", "yes"), ("no", "no"), ("undecided", "?")])
def test_beside_a_rate_stand_that_of_all_images_and_an_equally_accurate_plain_model(verdict, word):
    shown = controlled(verdict)
    assert f"| 50.0 (45.0–55.0; all 41.2; plain 30.0; at 50.0–60.0; +20.0: {word}; +10.0 to +30.0) |" in markdown(shown)
    counts = {"yes": 0, "no": 0, "undecided": 0} | {verdict: 1}
    assert f"yes ({counts['yes']} of 1), no ({counts['no']}) or undecided (?, {counts['undecided']})." in markdown(shown)
    assert ExhibitResult.from_json(shown.model_dump_json()) == shown
