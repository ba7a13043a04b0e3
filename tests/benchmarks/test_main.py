import json

import pytest

from benchmarks import run as running
from benchmarks.__main__ import main
from benchmarks.paired import ratios
from benchmarks.settings import absent, measured, wrong

RIGHT = measured("equal", ratios([2.0, 2.5], [1.0, 1.0]))


@pytest.fixture
def measures(monkeypatch):
    """Set the result of some rows; the others fail."""

    def put(missing=(), **found):
        for name in running.MEASURES:
            monkeypatch.setitem(running.MEASURES, name, lambda settings, name=name: {"lines": found[name], "missing": missing})

    return put


@pytest.fixture
def run(capsys, tmp_path):
    """Run with a file in a temporary folder; exit code and both outputs."""

    def run(arguments):
        given = arguments.split()
        code = main([*given, "--out", str(tmp_path / "b.json")] if "--out" not in given else given)
        return code, *capsys.readouterr()

    return run


def test_rows_are_printed_and_kept(run, measures, tmp_path):
    measures(["ART is not installed"], sparse={"fp32": RIGHT, "bf16": absent("not built")})
    code, out, err = run("sparse --quick --device cpu")
    assert code == 0 and err == "sparse ...\n"
    assert out.splitlines() == [
        "sparse: sparsify(resnet18/0.1-bottom), fp32 | dense resnet18, fp32: 2.25 x (2.00-2.50)",
        "sparse: sparsify(resnet18/0.1-bottom), bf16 | dense resnet18, bf16: not built",
        "sparse: ART is not installed",
    ]
    measures(live={"fp32": absent("not built")})
    assert run("live --repeats 3 --net-width 0.5 --device cpu")[0] == 0
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert [entry["row"] for entry in rows] == ["sparse", "live"]
    assert rows[0]["settings"] == {"repeats": 2, "width": 0.0625, "quick": True, "data": "shapes"}
    assert rows[1]["settings"] == {"repeats": 3, "width": 0.5, "quick": False, "data": "shapes"}


def test_a_failed_check_is_exit_code_1_unless_an_earlier_run_found_it(run, measures):
    measures(sparse={"fp32": RIGHT, "x2": wrong("logits differ")}, live={"fp32": absent("not built")})
    code, out, _ = run("sparse --quick --device cpu")
    assert code == 1 and "the same model, dense: check failed" in out
    assert run("live --quick --device cpu")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "stairs",
            "no row 'stairs'; there are step, throughput, accuracy, gradient, cw, boundary, hopskipjump, protocol, sparse, memory, live",
        ),
        ("step --net-width 0", "--net-width 0.0 lies outside (0, 8]"),
        ("step --net-width 9", "--net-width 9.0"),
        ("step --repeats 0", "--repeats 0"),
        ("step --device gpu9", "no device 'gpu9' here"),
        ("step --quick --device cpu --data birds", "no data set 'birds'"),
        ("gradient --quick --device cpu --checkpoint nowhere", "nowhere"),
        ("step --device cpu --out .", "is a folder"),
    ],
)
def test_bad_input_is_reported_in_one_line_before_the_first_row(run, arguments, message):
    code, out, err = run(arguments)
    assert code == 2 and out == "" and len(err.splitlines()) == 1
    assert err.startswith("error: ") and message in err
