"""Names that are no text, terminals that show little, a user without a home: the work is done and shown all the same."""

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys

import pytest

from defective.cli import main
from defective.cli.console import fail, prepared_output, print_json, print_table
from defective.text import REPLACED

# As Python names a file whose bytes are "r\xe9[x][b]:factory:|\x1b[31m\n" in Latin-1.
NAME = "r\udce9[x][b]:factory:|\x1b[31m\n.safetensors"
SHOWN = r"r\xe9[x][b]:factory:|\x1b[31m\n.safetensors"


@pytest.fixture
def odd(place, tmp_path):
    shutil.copytree(place / "data", tmp_path / "data\udce9[x]")
    shutil.copy(place / "plain.safetensors", tmp_path / NAME)
    shutil.copy(place / "bottom.safetensors", tmp_path / "other")
    return tmp_path


def test_in_an_ascii_locale_without_a_home_at_width_0(odd):
    command = ["evaluate", NAME, "other", "--data", "folder:data\udce9[x]", "--device", "cpu", "--out", "out"]
    command += ["--parts", "transfer", "--samples", "2", "--attack", "fgsm"]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "VIRTUAL_ENV")}
    ascii_alone = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "HOME": "/proc/x", "COLUMNS": "0"}
    environment = kept | ascii_alone | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-m", "defective", *command], capture_output=True, cwd=odd, env=environment)
    out, err = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert done.returncode == 0, err
    assert SHOWN in out and "0.0 (" in out and "\\u" not in out and r"Black-box evaluation on data\xe9[x]" in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)
    warnings = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1 and "no cache folder: /proc/x/" in warnings[0]
    assert "Traceback" not in err
    document = json.loads((odd / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert list(document["accuracy"]) == [f"r\\xe9{NAME[2:]}", "other"] and document["data"] == r"data\xe9[x]"
    text = (odd / "out" / "evaluation.md").read_text(encoding="utf-8")
    assert r"r\\xe9\[x\]\[b\]\:factory:\|\\x1b\[31m\\n.safetensors" in text


def test_json_holds_half_a_character(capsys):
    print_json({"name": "half \ud800, \xe9"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": "half \ud800, \xe9"} and out.isascii()


@pytest.mark.parametrize("columns", ["0", "", "-1", "x", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_a_width_that_is_none_is_that_of_the_terminal(monkeypatch, capsys, columns):
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        monkeypatch.setenv(name, columns)
    monkeypatch.delitem(sys.modules, "typer.rich_utils", raising=False)
    assert main(["describe", "--help"]) == 0
    assert "Example: defective describe" in capsys.readouterr().out


def test_help_is_readable_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "22")
    assert main(["evaluate", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "--decision-samples" in out and "Images attacked at once: lower it if memory runs out." in out
    assert "\N{HORIZONTAL ELLIPSIS}" not in out


def test_messages_of_the_library_are_warnings_on_one_line(capsys):
    log = logging.getLogger("defective")
    before = list(log.handlers)
    with prepared_output():
        log.warning("no file %s", "a\x1b[31m")
    assert capsys.readouterr().err == "warning: no file a\\x1b[31m\n"
    assert log.handlers == before


def test_the_work_goes_on_when_nobody_reads_its_progress(monkeypatch, capsys):
    read, write = os.pipe()
    os.close(read)
    with io.TextIOWrapper(io.FileIO(write, "w"), line_buffering=True) as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        with prepared_output():
            for _ in range(3):
                sys.stderr.write("50 %\n")
            print_table("Title", ("a",), [("done",)])
    assert "done" in capsys.readouterr().out


def test_signs_that_an_encoding_lacks_are_plain_ones():
    text = "−3.5 (12.1–∞) × σ² …\N{NO-BREAK SPACE}é\N{SNOWMAN}"
    assert text.encode("ascii", REPLACED) == rb"-3.5 (12.1-inf) x sigma2 ... \xe9\u2603"
    assert text.encode("utf-8", REPLACED) == text.encode()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("two\nlines   and\tspaces", "two lines and spaces"),
        ("no file a\x1b[31m\x07b", r"no file a\x1b[31m\x07b"),
        (f"{'9' * 5000} is too large: write less", f"{'9' * 500} ... {'9' * 475} is too large: write less"),
    ],
)
def test_an_error_is_one_line_that_commands_no_terminal_and_is_not_too_long(capsys, message, shown):
    fail(message)
    assert capsys.readouterr() == ("", f"error: {shown}\n")
