"""What a release holds: the wheel has the package and its data and nothing else, and one version stands everywhere."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from defective import __version__

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    code = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    built = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel)
    names = {name for name in held.namelist() if ".dist-info/" not in name}
    assert names == {
        str(file.relative_to(ROOT / "src")) for file in (ROOT / "src" / "defective").rglob("*.*") if file.suffix != ".pyc"
    }
    information = {name.partition("/")[2] for name in held.namelist()} - {name.partition("/")[2] for name in names}
    assert {"licenses/LICENSE", "METADATA", "entry_points.txt"} <= information
    assert "defective = defective.cli:main" in held.read(f"defective-{__version__}.dist-info/entry_points.txt").decode()


def test_one_version_stands_everywhere():
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1] == __version__
    assert re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[1] == __version__
    assert f"Version {__version__}" in (ROOT / "README.md").read_text("utf-8")


def test_the_citation_file_and_the_readme_cite_the_same_paper():
    citation, readme = ((ROOT / name).read_text("utf-8") for name in ("CITATION.cff", "README.md"))
    names = re.findall(r"family-names: (\w+), given-names: (\w+)", citation)
    assert " and ".join(f"{family}, {given}" for family, given in names) in readme
    assert re.search(r"journal: (.+)", citation)[1] in readme
