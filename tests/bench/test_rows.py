import pytest

from defective import InputError
from defective.bench.rows import ROWS, Line, chosen
from defective.bench.run import MEASURES


def test_there_are_nine_rows_and_each_is_measured():
    assert [row.number for row in ROWS] == list(range(1, 10))
    assert [row.name for row in ROWS] == list(MEASURES)
    for row in ROWS:
        assert len({line.key for line in row.lines}) == len(row.lines)
        assert all(line.goal for line in row.lines if None in line.reach.values())


@pytest.mark.parametrize(
    ("names", "found"), [([], range(1, 10)), (["9", "step"], (1, 9)), (["cw", "4", "4"], (4,)), (["campaign"], (7,))]
)
def test_rows_are_chosen_by_name_or_number(names, found):
    assert [row.number for row in chosen(names)] == list(found)


@pytest.mark.parametrize("name", ["0", "10", "Step", "training", ""])
def test_an_unknown_row_is_refused(name):
    with pytest.raises(InputError, match=rf"no row '{name}'; there are 1 step, 2 throughput, .* 9 live"):
        chosen(["step", name])


@pytest.mark.parametrize(
    ("side", "ratio", "reached"),
    [("at least", 4.0, True), ("at least", 3.99, False), ("at most", 4.0, True), ("at most", 4.01, False)],
)
def test_what_is_reached(side, ratio, reached):
    line = Line("k", "a", "b", side, {"cpu": 4.0, "cuda": None}, goal="done once")
    assert line.reached("cpu", ratio) == reached and line.reached("cuda", ratio)
    assert line.to_reach("cpu") == f"{side} 4.00 x" and line.to_reach("cuda") == "done once"


def test_the_goals_are_those_that_were_set():
    goals = {f"{row.number} {line.key}": line.to_reach("cpu") for row in ROWS for line in row.lines}
    assert goals["1 fp32"] == goals["1 bf16"] == "at most 1.02 x"
    assert (goals["2 loop"], goals["2 peak"]) == ("at least 4.00 x", "at least 60 %")
    assert {goals[f"3 {name}-fp32"] for name in ("fgsm", "pgd", "mifgsm")} == {"at least 1.30 x"}
    assert {goals[f"3 {name}-bf16"] for name in ("fgsm", "pgd", "mifgsm")} == {"at least 3.00 x"}
    assert {goals[f"4 {case}-{half}"] for case in ("search", "one-constant") for half in ("fp32", "bf16")} == {"at least 3.00 x"}
    assert {goals[f"5 {peer}-{half}"] for peer in ("foolbox", "art") for half in ("fp32", "bf16")} == {"at least 5.00 x"}
    assert (goals["6 fp32"], goals["6 bf16"], goals["6 x2"]) == ("at least 2.00 x", "at least 1.30 x", "at least 4.00 x")
    assert (goals["7 bookkeeping"], goals["8 saved"]) == ("at most 1 %", "at most 1.01 x")
    assert (goals["9 fp32"], goals["9 bf16"]) == ("at most 0.60 x", "at most 0.85 x")
