"""Shells complete commands, options and names without loading torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import defective_command
from defective import list_models
from docs.completion import FILE, completion_tree

LINES = {
    "defective tra": ["train"],
    "defective store ": ["ls", "show", "export", "gc"],
    "defective train --rec": ["--recipe"],
    "defective train vgg": ["vgg19", "vgg19/0.1-bottom", "vgg19/0.5-bottom"],
    "defective train resnet18 --recipe ": ["tiny", "small", "fast", "paper"],
    "defective reproduce table4 table1": ["table1", "table10", "table11", "table12", "table13", "table14", "table15"],
    "defective evaluate runs/plain --data m": ["mnist", "mnist:"],
    "defective evaluate --attack pg": ["pgd"],
    # Nothing: the shell completes names of files.
    "defective describe runs/": [],
}


def completed(line, monkeypatch, capsys):
    words = line.split()
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - (not line.endswith(" "))))
    monkeypatch.setenv(defective_command.ASKED, "complete_bash")
    with pytest.raises(SystemExit) as ended:
        defective_command.main()
    assert ended.value.code in (0, None)
    return capsys.readouterr().out.split()


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_completed(line, monkeypatch, capsys):
    assert completed(line, monkeypatch, capsys) == LINES[line]


def test_the_file_says_what_the_commands_take():
    assert FILE.read_text("utf-8") == completion_tree(), "make tables writes it"
    assert set(list_models()) <= set(FILE.read_text("utf-8").split('"'))


def test_torch_is_not_loaded():
    code = "import defective_command, sys\ntry: defective_command.main()\nfinally: print(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "COMP_WORDS": "defective tra", "COMP_CWORD": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**environment, defective_command.ASKED: "complete_bash"}
    )
    assert (done.returncode, done.stdout) == (0, "train\n")
    assert not {"torch", "numpy", "defective"} & set(done.stderr.split())


def test_anything_else_is_done_by_the_package(monkeypatch, capsys):
    monkeypatch.delenv(defective_command.ASKED, raising=False)
    monkeypatch.setattr(sys, "argv", ["defective", "--version"])
    assert defective_command.main() == 0 and capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_the_program(run, shell, capsys):
    with pytest.raises(SystemExit):
        run(f"--show-completion {shell}")
    script = capsys.readouterr().out
    assert "_DEFECTIVE_COMPLETE=complete_" in script and Path(FILE).exists()
