"""The house: imports go down only, files stay short, public names are documented."""

import ast
import inspect
import tomllib
from pathlib import Path

import pytest

import defective
from docs.module_graph import SOURCE, imported_parts, module_graph, part

FILES = sorted(SOURCE.rglob("*.py"))

# Height of each part; a file may import lower parts and files of its own room, never a higher part or one beside it.
LEVELS = {
    "__main__": 12,
    "cli": 11,
    "demo": 10,
    "play": 10,
    "report": 9,
    "results": 8,
    "experiments": 7,
    "paper": 2,
    "training": 6,
    "evaluation": 6,
    "build": 5,
    "sparse": 5,
    "mask_state": 5,
    "verify": 5,
    "surgery": 4,
    "layers": 3,
    "masks": 2,
    "models": 2,
    "data": 2,
    "attacks": 2,
    "baselines": 2,
    "machine": 1,
    "inference": 1,
    "files": 1,
    "figures": 1,
    "progress": 1,
    "sites": 1,
    "wrapper": 1,
    "probes": 2,
    "specs": 1,
    "statistics": 1,
    "tables": 1,
    "errors": 0,
    "text": 0,
    "interrupts": 0,
    "waiting": 1,
    "_version": 0,
}
# What plans and specs may be read with, on a machine that has no torch.
PLAIN = {"paper", "specs", "statistics", "errors", "text", "progress", "_version"}


def imported_packages(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("file", [f for f in FILES if f.name != "__init__.py" or f.parent != SOURCE], ids=str)
def test_imports_go_down(file):
    here = part(file)
    for there in imported_parts(file) - {here}:
        sibling_of_the_bottom = LEVELS[here] == LEVELS[there] == 1
        assert LEVELS[there] < LEVELS[here] or sibling_of_the_bottom, f"{file} imports {there}"


@pytest.mark.parametrize("file", [f for f in FILES if part(f) in PLAIN], ids=str)
def test_plain_files_know_no_torch(file):
    assert "torch" not in imported_packages(file)


def test_every_part_has_a_level():
    assert set(module_graph()) == LEVELS.keys()


def test_intervals_and_tests_are_computed_in_statistics_alone():
    assert {there for file in FILES if part(file) == "statistics" for there in imported_parts(file)} == {"statistics", "errors"}
    assert {part(file) for file in FILES if "scipy" in imported_packages(file)} == {"statistics"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_file_is_longer_than_300_lines(file):
    assert len(file.read_text().splitlines()) <= 300


def test_the_median_file_is_near_120_lines():
    lengths = sorted(len(file.read_text().splitlines()) for file in FILES)
    assert lengths[len(lengths) // 2] <= 140


def test_data_files_are_in_the_package():
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["defective"]
    shipped = {file for pattern in patterns for file in SOURCE.glob(pattern)}
    assert shipped == {file for file in SOURCE.rglob("*.*") if file.suffix not in {".py", ".pyc"}}


@pytest.mark.parametrize("name", [name for name in defective.__all__ if not name.startswith("__")])
def test_public_names_are_documented(name):
    assert inspect.getdoc(getattr(defective, name))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_torch_is_seeded_only_inside_a_fork(file):
    source = file.read_text()
    for number, line in enumerate(source.splitlines()):
        if "torch.manual_seed(" in line and not line.strip().startswith((">>>", "#")):
            assert "fork_rng" in "\n".join(source.splitlines()[number - 2 : number]), f"{file}:{number + 1}"


def test_import_touches_few_packages():
    import subprocess
    import sys

    code = "import defective, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"typer", "rich", "matplotlib", "jinja2", "pooch", "PIL", "requests", "foolbox", "art"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_files_of_text_are_utf8_in_every_locale(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            position = {"read_text": 0, "write_text": 1}.get(node.func.attr)
            if position is not None:
                named = any(keyword.arg == "encoding" for keyword in node.keywords)
                assert named or len(node.args) > position, f"line {node.lineno}: name the encoding"
