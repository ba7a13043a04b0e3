"""Write the tables of README and docs anew from results/: ``make tables``.

Each block stands between a comment that says what it holds and ``<!-- end -->``:

- ``results/DATA/SCALE/DEVICE/EXHIBIT.json``: an exhibit;
- ``claims SCALE``: claims of the paper; ``measured SCALE``: those that are measured; ``observations SCALE``: observations of ours;
  ``verdicts SCALE``: how many claims hold;
- ``practical FILE FILE``: models under every attacker, and under those of the second file;
- ``notes``: what must be known of all exhibits;
- ``costs``: what each exhibit is estimated to cost;
- ``bench``: the clear ratios of the benchmark; ``bench ROW/LINE ROW/LINE``: some of them; ``bench machines``: what they were measured on;
- ``modules``: which parts of the package import which;
- ``survey FILE``, ``finetune FILE``: pretrained networks.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import page as benchmark
from defective.report.claims import contrast_in_words, exhibits_in_words, p_in_words, paper_doubts, summary, verdict_in_words
from defective.report.exhibit_table import exhibit_table
from defective.report.largest_discrepancy import largest_discrepancy
from defective.report.wording import common_notes, own_notes
from defective.results.documents import ClaimResult, ClaimsResult, ExhibitResult
from defective.tables import DASH, Table, count, format_table, markdown_text
from docs.cost_table import cost_table
from docs.finetune_table import finetune_table, survey_table
from docs.module_graph import module_table
from docs.practical_table import practical_plot, practical_table

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- (\S+) ?([^\n]*) -->\n).*?<!-- end -->", re.DOTALL)
PRACTICAL = "results/cifar10-jpeg/tiny/protocol.json"


def filled(text: str) -> str:
    """The text with every block as the results have it now."""

    def block(found: re.Match[str]) -> str:
        head, what, rest = found.groups()
        if what.startswith("results/"):
            made = table(ROOT / what)
        elif what in _MAKERS:
            made = _MAKERS[what](rest)
        elif what == "tools":
            # tests/interop/table.py writes it.
            return found[0]
        else:
            raise ValueError(f"a comment that names no block: {head}")
        return f"{head}\n{made}\n<!-- end -->"

    return _BLOCK.sub(block, text)


def table(file: Path) -> str:
    """What is measured of one exhibit beside the published numbers, where the two lie furthest apart, and what a reader must know to
    compare them.
    """
    result, left_out = _measured_part(ExhibitResult.from_json(file.read_text("utf-8")))
    parts = [format_table(exhibit_table(result), "markdown").rstrip("\n"), left_out, markdown_text(largest_discrepancy(result))]
    if notes := "\n".join(f"- {markdown_text(note)}" for note in own_notes(result)):
        parts.append(f"<details><summary>Notes</summary>\n\n{notes}\n\n</details>")
    return "\n\n".join(filter(None, parts)) + "\n"


def notes() -> str:
    """What must be known of all measured exhibits; what must be known of one alone stands below its table."""
    results = (ExhibitResult.from_json(file.read_text("utf-8")) for file in (ROOT / "results").glob("*/*/*/*.json"))
    return "".join(f"- {markdown_text(note)}\n" for note in common_notes(results))


def _measured_part(result: ExhibitResult) -> tuple[ExhibitResult, str]:
    """The rows and columns that have a measured number, and a sentence on the others."""
    measured = [cell for cell in result.cells if cell.measured]
    rows = tuple(row for row in result.rows if row.name in {cell.row for cell in measured})
    columns = tuple(column for column in result.columns if column in {cell.column for cell in measured})
    missing = {"row": len(result.rows) - len(rows), "column": len(result.columns) - len(columns)}
    said = " and ".join(count(many, what) for what, many in missing.items() if many)
    cells = tuple(cell for cell in result.cells if cell.row in {row.name for row in rows} and cell.column in columns)
    part = result.model_copy(update={"rows": rows, "columns": columns, "cells": cells})
    return part, f"Not measured yet, and left out: {said}." if said else ""


def tested(scale: str) -> tuple[ClaimResult, ...]:
    """Every claim at a scale, in the paper's order, and observations of ours."""
    return ClaimsResult.model_validate_json((ROOT / "results/claims" / f"{scale}.json").read_text("utf-8")).claims


def claims(found: list[ClaimResult]) -> str:
    """Claims with their verdicts, as a table."""
    printed = {"holds": "yes", "fails": "no"}
    rows = [
        (
            claim.text,
            ", ".join(filter(None, [claim.section, exhibits_in_words(claim)] if not claim.ours else [claim.section])),
            ". ".join(filter(None, [verdict_in_words(claim), claim.note])),
            "; ".join(filter(None, map(contrast_in_words, claim.contrasts))) or DASH,
            p_in_words(claim).removeprefix("p ").removeprefix("= ") or DASH,
            printed.get(claim.published, "not printed") + paper_doubts(claim),
        )
        for claim in found
    ]
    columns = ("Claim", "Where", "Verdict", "Contrast in points, 95 % interval", "p (Holm)", "In the printed numbers")
    return format_table(Table(columns, tuple(rows), align="llllll"), "markdown")


def verdicts(found: list[ClaimResult]) -> str:
    """How many claims hold, fail, are undecided and not measured."""
    said = [f"{many} {verb}" for _, many, verb in summary(found)]
    return f"Of {len(found)} claims of the paper, each counted once, {', '.join(said[:-1])} and {said[-1]}.\n"


def bench(names: str, folder: Path) -> str:
    """Ratios that the machines of ``results/bench/`` measured, all or those of some lines, or what these machines are."""
    documents = [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))]
    return benchmark.machines(documents) if names == "machines" else benchmark.table(documents, names.split())


def _json(file: str) -> Any:
    return json.loads((ROOT / file).read_text("utf-8"))


# The first word of a comment to what makes the block from its other words.
_MAKERS: dict[str, Callable[[str], str]] = {
    "bench": lambda names: bench(names, ROOT / "results" / "bench"),
    "claims": lambda scale: claims([claim for claim in tested(scale) if not claim.ours]),
    "costs": lambda _: cost_table(),
    "finetune": lambda file: finetune_table(_json(file)),
    "measured": lambda scale: claims([claim for claim in tested(scale) if claim.verdict != "not measured"]),
    "modules": lambda _: module_table(),
    "notes": lambda _: notes(),
    "observations": lambda scale: claims([claim for claim in tested(scale) if claim.ours]),
    "practical": lambda files: practical_table(*map(_json, files.split())),
    "survey": lambda file: survey_table(_json(file)),
    "verdicts": lambda scale: verdicts([claim for claim in tested(scale) if not claim.ours]),
}


def pages() -> list[Path]:
    """The files that hold such blocks."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        before = page.read_text("utf-8")
        if (after := filled(before)) != before:
            page.write_text(after, "utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    practical_plot(_json(PRACTICAL), ROOT / "docs" / "practical.png")
