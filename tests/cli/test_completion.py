"""Shells complete commands, options and names."""

import pytest

LINES = {
    "defective tra": ["train"],
    "defective store ": ["ls", "show", "export", "copy", "gc"],
    "defective train --rec": ["--recipe"],
    "defective train vgg": ["vgg19", "vgg19/0.1-bottom", "vgg19/0.5-bottom"],
    "defective train resnet18 --recipe ": ["tiny", "small", "fast", "paper"],
    "defective reproduce table4 table1": ["table1", "table10", "table11", "table12", "table13", "table14", "table15"],
    "defective evaluate runs/plain --data m": ["mnist", "mnist:"],
    "defective evaluate --attack pg": ["pgd"],
    # Nothing: the shell completes names of files.
    "defective describe runs/": [],
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_completed(line, run, monkeypatch, capsys):
    words = line.split()
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - (not line.endswith(" "))))
    monkeypatch.setenv("_DEFECTIVE_COMPLETE", "complete_bash")
    with pytest.raises(SystemExit) as ended:
        run("")
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == LINES[line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_the_program(run, shell, capsys, monkeypatch):
    # Otherwise it is that of the shell that the tests are run from.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    with pytest.raises(SystemExit):
        run(f"--show-completion {shell}")
    assert "_DEFECTIVE_COMPLETE=complete_" in capsys.readouterr().out
