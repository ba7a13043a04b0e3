"""The site builds without a warning, its snippets run, its commands exist."""

import copy
import os
import re
import shlex
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
import typer
from torch import nn

import defective
from defective import attacks
from defective.cli import app, main
from defective.data import shapes
from defective.tables import format_table

ROOT = Path(__file__).parents[1]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text("utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
BLOCK = re.compile(r"```(python|bash|text)\n(.*?)```", re.DOTALL)


def models_and_images():
    """What the snippet of ``docs/evaluate.md`` has at hand."""
    plain, x = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), torch.rand(12, 3, 32, 32)
    return {"plain": plain, "defective": copy.deepcopy(plain), "source": copy.deepcopy(plain), "x": x, "y": plain(x).argmax(1)}


# Sphinx imports every module and reads every page.
@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", ROOT / "docs", tmp_path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert built.returncode == 0, built.stderr
    documented = zlib.decompress((tmp_path / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]).decode()
    names = {f"defective.{name}" for name in defective.__all__} | {f"defective.attacks.{name}" for name in attacks.__all__}
    missing = names - {line.split()[0] for line in documented.splitlines()}
    assert missing <= {"defective.__version__", "defective.attacks", "defective.attacks.Attack", "defective.evaluation"}
    commands = (tmp_path / "commands.html").read_text("utf-8")
    assert "defective store gc" in commands and "--width-mult" in commands
    assert "<math" in (tmp_path / "method.html").read_text("utf-8")


@pytest.fixture
def few_shapes(monkeypatch, tmp_path):
    """A folder to work in, and a synthetic data set of a few images: what is trained on them takes a moment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFECTIVE_CACHE", str(tmp_path / "cache"))
    for split, count in (("train", 1500), ("test", 200)):
        monkeypatch.setitem(sys.modules["defective.data.shapes"].SPLITS, split, count)
    shapes.cache_clear()
    yield tmp_path
    shapes.cache_clear()
    sys.modules.pop("my_models", None)


def run_commands(code):
    for line in code.replace("\\\n", "").splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "defective" and main(words) == 0, line


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(few_shapes, capsys):
    names: dict = {"__name__": "tutorial"}
    printed = ""
    for language, code in BLOCK.findall(PAGES["docs/tutorial.md"]):
        if language == "python":
            exec(code, names)
            printed = capsys.readouterr().out
        elif language == "text":
            assert printed == code
        else:
            run_commands(code)
    labels = re.compile(r"^\|(.*?)\|", re.MULTILINE)
    table = format_table(names["found"].as_table(), "markdown")
    assert labels.findall(table) == labels.findall(PAGES["docs/tutorial.md"])
    assert (few_shapes / "runs" / "table" / "evaluation.md").exists()


@pytest.mark.slow
def test_the_page_on_your_own_model_runs_as_it_stands(few_shapes, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(few_shapes))
    for language, code in BLOCK.findall(PAGES["docs/own-model.md"].partition("## timm")[0]):
        if code.startswith("# my_models.py"):
            (few_shapes / "my_models.py").write_text(code, "utf-8")
            names: dict = {}
            exec(code, names)
            torch.save(names["cnn"]().state_dict(), "weights.pt")
        elif language == "python":
            capsys.readouterr()
            exec(code, {})
            assert capsys.readouterr().out == re.findall("# (.*)", code)[0] + "\n"
        else:
            run_commands(code)


SNIPPETS = [
    pytest.param(name, code, id=f"{name}:{number}")
    for name, text in PAGES.items()
    for number, (language, code) in enumerate(BLOCK.findall(text))
    if language == "python" and name not in ("docs/tutorial.md", "docs/own-model.md")
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), SNIPPETS)
def test_a_snippet_runs_and_prints_what_it_says(name, code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exec(code, models_and_images() if name == "docs/evaluate.md" else {})
    printed = capsys.readouterr().out.splitlines()
    for line in re.findall(r"print.*  # (.*)", code) if name in ("README.md", "docs/interop.md") else ():
        assert any(line.startswith(each) for each in printed), line


COMMANDS = [
    pytest.param(line, id=f"{name}: {line[:40]}")
    for name, text in PAGES.items()
    for language, code in BLOCK.findall(text)
    if language == "bash"
    for line in code.replace("\\\n", "").splitlines()
    if line.startswith("defective ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_docs_exists(line):
    _, *words = shlex.split(line.replace("$D", "shapes"), comments=True)
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(command.name, words)
