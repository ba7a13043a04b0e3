"""Write the tables of README and docs anew from results/: ``python docs/fill.py`` (``make tables``).

A table stands between ``<!-- results/DATA/SCALE/DEVICE/EXHIBIT.json -->`` and ``<!-- end -->``; the claims of all exhibits of a folder
between ``<!-- claims results/DATA/SCALE/DEVICE -->`` and ``<!-- end -->``.
"""

import json
import re
import sys
from pathlib import Path

from defective.paper import EXHIBITS
from defective.report.tables import markdown

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- (claims )?(results/\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The text with every block as the results have it now."""

    def block(found: re.Match[str]) -> str:
        made = claims(ROOT / found[3]) if found[2] else table(ROOT / found[3])
        return f"{found[1]}\n{made}\n{found[4]}"

    return _BLOCK.sub(block, text)


def table(file: Path) -> str:
    """One exhibit, published and measured."""
    return markdown(json.loads(file.read_text()))


def claims(folder: Path) -> str:
    """Every claim that was put to the test, with its verdict."""
    lines = ["| Claim | Exhibit | Measured | Comparisons that hold | In the printed numbers |", "| :-- | :-- | :-- | --: | --: |"]
    files = {file.stem: file for file in folder.glob("*.json")}
    for name in (name for name in EXHIBITS if name in files):
        document = json.loads(files[name].read_text())
        for claim in document["claims"]:
            if claim["verdict"] == "not measured":
                continue
            total = len(claim["comparisons"])
            held, printed = (counts.get("holds", 0) for counts in (claim["counts"], claim["published"]["counts"]))
            cells = (claim["text"].replace("|", "\\|"), name, f"**{claim['verdict']}**", f"{held} of {total}", f"{printed} of {total}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def pages() -> list[Path]:
    """The files that hold such blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        before = page.read_text()
        if (after := filled(before)) != before:
            page.write_text(after)
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")
