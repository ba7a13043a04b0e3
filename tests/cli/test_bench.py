import json

import pytest

from defective.bench import run as running
from defective.bench.paired import ratios
from defective.bench.settings import absent, measured, wrong

RIGHT = measured("equal", ratios([2.0, 2.5], [1.0, 1.0]))


@pytest.fixture
def measures(monkeypatch):
    """What each row finds; those that are not said are not to be measured."""

    def put(**found):
        for name in running.MEASURES:
            monkeypatch.setitem(
                running.MEASURES, name, lambda settings, name=name: {"lines": found[name], **found.get("about", {})}
            )

    return put


def test_rows_are_printed_and_kept(run, measures, tmp_path):
    measures(sparse={"fp32": RIGHT, "bf16": absent("not built")}, about={"missing": ["ART is not installed"]})
    out = tmp_path / "b.json"
    code, said, err = run(f"bench sparse --quick --device cpu --out {out}")
    assert code == 0 and err == "[6/9] sparse: Logits through live neurons only, images a second\n"
    assert "2.25 x (2.00-2.50)" in said and "at least 2.00 x" in said and "yes" in said and "not built" in said
    assert "6 sparse: ART is not installed" in said
    measures(live={"fp32": absent("not built")})
    assert run(f"bench 9 --quick --device cpu --out {out}").code == 0
    assert [entry["row"] for entry in json.loads(out.read_text())["rows"]] == ["sparse", "live"]


def test_json_is_the_document(run, measures, tmp_path):
    measures(sparse={"fp32": RIGHT})
    said = run(f"bench sparse --quick --repeats 3 --net-width 0.5 --device cpu --json --out {tmp_path / 'b.json'}").out
    assert json.loads(said) == json.loads((tmp_path / "b.json").read_text())
    assert json.loads(said)["rows"][0]["settings"] == {"repeats": 3, "width": 0.5, "quick": True, "data": "shapes"}


@pytest.mark.parametrize("form", ["", " --json"])
def test_a_failed_check_is_exit_code_1(run, measures, tmp_path, form):
    measures(sparse={"fp32": RIGHT, "x2": wrong("logits differ")})
    code, said, _ = run(f"bench sparse --quick --device cpu{form} --out {tmp_path / 'b.json'}")
    assert code == 1 and "check failed" in said


def test_a_check_that_failed_in_an_earlier_run_of_another_row_does_not_count(run, measures, tmp_path):
    measures(sparse={"x2": wrong("logits differ")}, live={"fp32": absent("not built")})
    assert run(f"bench sparse --quick --device cpu --out {tmp_path / 'b.json'}").code == 1
    assert run(f"bench live --quick --device cpu --out {tmp_path / 'b.json'}").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("stairs", "no row 'stairs'; there are 1 step, "),
        ("0", "no row '0'"),
        ("step --net-width 0", "net width 0.0 lies outside (0, 8]"),
        ("step --net-width 9", "net width 9.0"),
        ("step --repeats 0", "repeats"),
        ("gradient --images 0", "images"),
        ("step --device gpu9", "no device 'gpu9' here"),
        ("step --quick --device cpu --data birds", "no data set 'birds'"),
        ("gradient --quick --device cpu --checkpoint nowhere", "nowhere"),
        ("campaign --quick --device cpu --store nowhere", "nowhere holds no costs of table3's jobs: pass --store"),
        ("step --out .", "is a folder"),
        ("step --quick --device cpu --out notes.txt", "notes.txt holds no results of the bench"),
    ],
)
def test_bad_input_is_said_in_one_line(run, place, arguments, said):
    out = "" if "--out" in arguments else " --out fresh-bench.json"
    code, printed, err = run(f"bench {arguments}{out}")
    assert code == 2 and printed == ""
    last = err.splitlines()[-1]
    assert said in last and last.startswith("error: ")


@pytest.mark.parametrize("wrong_name", ["--data birds", "--checkpoint nowhere"])
def test_a_wrong_name_is_said_before_the_first_row(run, measures, tmp_path, wrong_name):
    measures(sparse={"fp32": RIGHT})
    code, _, err = run(f"bench sparse --quick --device cpu {wrong_name} --out {tmp_path / 'b.json'}")
    assert code == 2 and len(err.splitlines()) == 1 and wrong_name.split()[1] in err
