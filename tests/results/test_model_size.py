"""Claims of the size of models, counted as they are built."""

import pytest

from defective.paper import CLAIMS, Claim
from defective.paper.claims import Part, pairs
from defective.results.claims import evaluate_claims
from defective.results.model_size import operations, verdict_of_counts


@pytest.mark.parametrize(
    ("kind", "about", "rows", "verdict"),
    [
        ("equal", "parameters", ("resnet18/0.5-bottom", "resnet18"), "holds"),
        ("equal", "parameters", ("resnet18/0.5-bottom-dc", "resnet18"), "fails"),
        ("fewer", "parameters", ("resnet18/0.5-bottom", "resnet18"), "fails"),
        ("fewer", "operations", ("resnet18/0.5-bottom", "resnet18"), "holds"),
        ("equal", "operations", ("resnet18/0.5-bottom-dc@text", "resnet18/0.5-bottom@text"), "holds"),
        ("equal", "operations", ("resnet18/0.5-bottom-dc", "resnet18/0.5-bottom"), "fails"),
    ],
)
def test_models_are_counted_exactly_as_they_are_built(kind, about, rows, verdict):
    part = Part(pairs("table4", ["PGD16"], [rows]), about)
    [found] = evaluate_claims([], [Claim("claim", "A claim.", "Section 4", kind, (part,))])
    assert (found.verdict, found.p, found.contrasts) == (verdict, None, ())


def test_operations_of_resnet18_are_those_of_its_live_outputs():
    names = ("resnet18", "resnet18/0.5-bottom", "resnet18/0.5-bottom-dc", "resnet18/0.5-bottom@text", "resnet18/0.5-bottom-dc@text")
    plain, defective, channels, *by_text = (operations(name, 1.0) for name in names)
    area = 32 * 32
    stem, first = 64 * 27 * area, 4 * 64 * 64 * 9 * area
    # Of each later stage, half the area and twice the width: a projection, a convolution of half as many inputs, three more.
    stages = [128 * 64 * (area >> 2) + 7 * 64 * 128 * 9 * (area >> 2)] * 3
    assert plain == stem + first + sum(stages)
    assert defective == plain - (stem + first + stages[0]) // 2
    assert by_text[0] == by_text[1]
    [claim] = [claim for claim in CLAIMS if claim.name == "channel-operations"]
    assert (round(channels / 1e6), round(defective / 1e6), *(round(each / 1e6) for each in by_text)) == (331, 412, 412, 412)
    assert "331 million against 412" in claim.note and verdict_of_counts(claim) == "holds"
