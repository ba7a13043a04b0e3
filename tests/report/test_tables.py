import pytest

from defective.report.tables import latex, markdown

DOCUMENT = {
    "exhibit": "table4",
    "title": "What of the design matters",
    "unit": "%",
    "scale": "tiny",
    "data": {"cifar10": "cifar10-jpeg"},
    "seeds": 1,
    "columns": ["PGD16", "Test Accuracy"],
    "rows": [{"name": "plain", "label": "ResNet-18"}, {"name": "dc", "label": "0.5-Bottom_DC & 50 %"}],
    "cells": [
        {
            "row": "plain",
            "column": "PGD16",
            "published": 14.14,
            "measured": {"mean": 20.04, "low": 15.06, "high": 26.25, "values": [20.04], "counts": [{"hits": 139, "total": 691}]},
            "jobs": ["score-a"],
        },
        {"row": "plain", "column": "Test Accuracy", "published": 95.3, "measured": None},
        {
            "row": "dc",
            "column": "PGD16",
            "published": None,
            "measured": {"mean": 100.0, "low": 99.0, "high": 100.0, "values": [100.0], "counts": [{"hits": 2000, "total": 2000}]},
            "jobs": ["score-b"],
        },
        {"row": "dc", "column": "Test Accuracy", "published": None, "measured": None},
    ],
}
SCORES = DOCUMENT | {
    "exhibit": "table7",
    "title": "The boundary attack",
    "unit": "S(M)",
    "seeds": 3,
    "data": {"cifar10": "cifar10"},
    "columns": ["S(M)"],
    "rows": [{"name": "plain", "label": "Standard CNN"}],
    "cells": [
        {
            "row": "plain",
            "column": "S(M)",
            "published": 7.3e-06,
            "measured": {
                "mean": 3.512e-05,
                "low": 1e-06,
                "high": float("inf"),
                "values": [3.512e-05] * 3,
                "counts": [{"images": 50}] * 3,
            },
            "jobs": ["decision-a"],
        }
    ],
}


def changed(document: dict, values: list[float]) -> dict:
    """The document with other values of seeds in its first cell."""
    first = document["cells"][0]
    return document | {"cells": [first | {"measured": first["measured"] | {"values": values}}, *document["cells"][1:]]}


UNPUBLISHED = DOCUMENT | {
    "cells": [cell | {"published": None} for cell in DOCUMENT["cells"]],
}


def test_a_markdown_table_is_exactly_this():
    assert markdown(DOCUMENT) == (
        "**Table 4. What of the design matters.** In %. Measured at tiny scale, cifar10-jpeg in place of cifar10, 1 seed, 691–2,000 "
        "images a number, with 95 % intervals; – is not measured or not printed.\n"
        "\n"
        "|  | PGD16, published | PGD16, measured | Test Accuracy, published | Test Accuracy, measured |\n"
        "| :-- | --: | --: | --: | --: |\n"
        "| ResNet-18 | 14.14 | 20.0 (15.1–26.2) | 95.30 | – |\n"
        "| 0.5-Bottom\\_DC & 50 % | – | 100.0 (99.0–100.0) | – | – |\n"
    )


def test_a_latex_table_is_exactly_this():
    assert latex(DOCUMENT).splitlines() == [
        r"% Needs \usepackage{booktabs,graphicx}.",
        r"\begin{table}",
        r"\centering",
        r"\caption{Table 4 of the paper: What of the design matters. In \%. Measured at tiny scale, cifar10-jpeg in place of cifar10, "
        r"1 seed, 691--2,000 images a number, with 95 \% intervals; -- is not measured or not printed.}",
        r"\label{tab:table4}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{PGD16} & \multicolumn{2}{c}{Test Accuracy} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}",
        r" & published & measured & published & measured \\",
        r"\midrule",
        r"ResNet-18 & 14.14 & 20.0 (15.1--26.2) & 95.30 & -- \\",
        r"0.5-Bottom\_DC \& 50 \% & -- & 100.0 (99.0--100.0) & -- & -- \\",
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]


def test_scores_have_two_digits_and_say_how_many_seeds():
    assert "| Standard CNN | 7.3e-06 | 3.5e-05 (1.0e-06–∞) |" in markdown(SCORES)
    assert r"Standard CNN & 7.3e-06 & 3.5e-05 (1.0e-06--$\infty$) \\" in latex(SCORES)
    assert "cifar10, 3 seeds, 50 images a number and seed, with" in markdown(SCORES)


def test_a_caption_comes_before_all_that_is_said_of_numbers():
    told = DOCUMENT | {"caption": "Rows are nets, columns attacks of 100 % strength."}
    assert markdown(told).startswith(
        "**Table 4. What of the design matters.** Rows are nets, columns attacks of 100 % strength. In %. Measured at tiny scale,"
    )
    assert r"What of the design matters. Rows are nets, columns attacks of 100 \% strength. In \%. Measured at" in latex(told)


def test_where_only_some_seeds_are_measured_their_number_is_shown():
    assert "| Standard CNN | 7.3e-06 | 3.5e-05 (1.0e-06–∞; 2 of 3 seeds) |" in markdown(changed(SCORES, [3.0, 4.0]))
    assert "(1.0e-06–∞)" in markdown(changed(SCORES, [3.0, 4.0, 5.0]))


def test_where_nothing_was_printed_only_the_measured_is_shown():
    assert "|  | PGD16, measured | Test Accuracy, measured |" in markdown(UNPUBLISHED)
    assert r"\begin{tabular}{lrr}" in latex(UNPUBLISHED)


@pytest.mark.parametrize("sign", ["\\", "&", "%", "$", "#", "_", "{", "}", "~", "^", "<", ">", "|"])
def test_no_sign_of_a_label_is_taken_for_latex(sign):
    rows = [{"name": "plain", "label": f"a{sign}b"}]
    text = latex(SCORES | {"rows": rows})
    line = next(line for line in text.splitlines() if line.startswith("a"))
    # Beside the two that part the cells and the two that end the row, every sign must have been escaped.
    bare = line.removesuffix(r" \\").replace(r"\textbackslash{}", "").replace("\\" + sign, "").replace(" & ", "")
    bare = bare.replace(r"$\infty$", "").replace(r"\textasciitilde{}", "").replace(r"\textasciicircum{}", "")
    bare = bare.replace(r"\textless{}", "").replace(r"\textgreater{}", "").replace(r"\textbar{}", "")
    assert sign not in bare


@pytest.mark.parametrize("sign", ["\\", "|", "*", "_", "`", "<", "["])
def test_no_sign_of_a_label_is_taken_for_markdown(sign):
    text = markdown(SCORES | {"rows": [{"name": "plain", "label": f"a{sign}b"}]})
    assert f"| a\\{sign}b | 7.3e-06" in text


def test_an_exhibit_without_rows_has_a_caption_and_no_table():
    empty = DOCUMENT | {"exhibit": "figure8", "columns": [], "rows": [], "cells": []}
    assert markdown(empty).startswith("**Figure 8.") and "|" not in markdown(empty)
    assert latex(empty).startswith("%") and "tabular" not in latex(empty)


def test_a_cell_whose_images_all_fell_out_is_told_from_one_that_is_not_measured():
    cells = [
        {"row": "a", "column": "PGD", "published": 1.5, "measured": None, "jobs": ["score-0123456789abcdef"]},
        {"row": "b", "column": "PGD", "published": 2.5, "measured": None, "jobs": []},
    ]
    about = {"exhibit": "table4", "title": "Nets", "scale": "tiny", "data": {}, "seeds": 1, "unit": "%", "columns": ["PGD"]}
    rows = [{"name": name, "label": name} for name in "ab"]
    lines = markdown(about | {"rows": rows, "cells": cells}).splitlines()
    assert lines[-2:] == ["| a | 1.50 | no images |", "| b | 2.50 | – |"]
