"""The report of a store: every table and figure as one page, as Markdown and LaTeX tables, and as figures."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from defective._version import __version__
from defective.errors import InputError
from defective.experiments.store import Store
from defective.figures import save, svg
from defective.files import check_folder, left_behind, write_text
from defective.paper import CLAIMS, EXHIBITS, OBSERVATIONS
from defective.progress import progress_bar
from defective.report import claims, drawings, galleries, plots, wording
from defective.report.commands import commands, next_steps
from defective.report.deviations import deviations, seed_notes
from defective.report.exhibit_table import exhibit_table, page_table
from defective.report.largest_discrepancy import largest_discrepancy
from defective.report.page import write_page
from defective.report.provenance import how_measured, job_notes
from defective.report.sections import ResultReader, Section, sections
from defective.results.documents import heading
from defective.tables import Table, count, format_table

_GENERAL = (
    "The images of each measurement are drawn in a seeded order from those that qualify. The paper's own samples are not known.",
    "Where the text and the released code differ, the code is followed: most likely the published numbers came from it. What else had to "
    "be chosen stands above the tables.",
    "Masks are drawn at random before training: other masks of the same kind give a somewhat different model.",
)


def write_report(store: Store, out: Path) -> tuple[list[Path], list[str]]:
    """Write the report of all that a store was asked for, as far as it is measured; remove files of an earlier one that it lacks.

    Args:
        store: Plans and results.
        out: Folder for ``index.html``, which needs no other file, ``tables/`` and ``figures/``.

    Returns:
        The files written, the page first, and a line for each corrupt file of the store that was skipped.

    Raises:
        InputError: If nothing was asked for yet, or ``out`` cannot be written.
    """
    check_folder(out)
    planned = store.plans()[0]
    if not planned:
        raise InputError(f"{store.folder} holds no plan: there is nothing to report; defective reproduce makes one")
    reader = ResultReader(store)
    found = sections(planned, store)
    names = [section.result.exhibit for section in found]
    shown, files = [], []
    with progress_bar("report", len(found), unit="tables and figures") as advance:
        for section in found:
            made, written = _page_section(section, reader, out)
            shown.append(made)
            files += written
            advance(note=section.name)
    page, how = out / "index.html", how_measured(planned, store)
    groups = claims.claim_groups(found, store)
    of_paper = [claim for group in groups if not group.ours for claim in group.claims]
    write_page(
        page,
        template="report.html.j2",
        title="Defective convolutional layers: paper and measurement",
        lead=(
            f"{_how_many(names)} of the paper Defective Convolutional Layers Learn Robust CNNs: beside the published numbers those that "
            "the Python package defective measures, and each claim of the paper tested on the measured numbers."
        ),
        sections=shown,
        claims=of_paper,
        groups=groups,
        notes=wording.common_notes(section.result for section in found),
        verdicts=claims.summary(of_paper),
        masks=_masks(found, reader),
        how=how,
        general=[*_GENERAL, *seed_notes(found)],
        deviations=deviations(found, store),
        commands=commands(found),
        next_steps=next_steps(found, jobs=how["jobs"], finished=how["finished"]),
        others=[heading(name) for name, exhibit in EXHIBITS.items() if name not in names and not exhibit.optional],
        jobs=job_notes(section.result for section in found),
        footer=f"Made by defective {__version__}. Every number of this page is also in tables/ and in the store's JSON files.",
        page_table=page_table,
        table=Table,
        words=claims,
        wording=wording,
        largest_discrepancy=largest_discrepancy,
    )
    _remove_others(out, files)
    return [page, *files], reader.skipped


def _remove_others(out: Path, files: list[Path]) -> None:
    """Remove what an earlier report in the same folder had and this one has not, by the list that each leaves there, and what it left.

    Nothing else: the folder may hold files of the user.
    """
    listed = out / "files.json"
    made = sorted(file.relative_to(out).as_posix() for file in files)
    with suppress(OSError, ValueError, TypeError):
        for name in set(json.loads(listed.read_text(encoding="utf-8"))) - set(made):
            if re.fullmatch(r"(tables|figures)/[\w.-]+", name):
                (out / name).unlink(missing_ok=True)
    for file in (file for folder in (out, out / "tables", out / "figures") for file in left_behind(folder)):
        file.unlink(missing_ok=True)
    write_text(listed, json.dumps(made, indent=1))


def _how_many(names: Iterable[str]) -> str:
    counts = {kind: sum(name.startswith(kind) for name in set(names)) for kind in ("table", "figure")}
    return " and ".join(count(many, kind) for kind, many in counts.items() if many).capitalize()


def _page_section(section: Section, reader: ResultReader, out: Path) -> tuple[dict[str, Any], list[Path]]:
    """What the page shows of an exhibit, and its files."""
    result = section.result
    files = _write_tables(section, out) if result.rows else []
    drawn = result.view == "drawing"
    figure = drawings.drawing(result.exhibit, section.plan, reader) if drawn else plots.plot(result, reader.store)
    if figure is not None:
        files += save(figure, out / "figures" / section.name)
    shown = galleries.gallery if result.view == "gallery" else galleries.examples
    examples = shown(result, section.plan, reader)
    made = {
        "section": section,
        "num_measured": sum(cell.measured is not None or bool(cell.jobs) for cell in result.cells),
        "claims": [claim.name for claim in (*CLAIMS, *OBSERVATIONS) if result.exhibit in claim.exhibits],
        "picture": inline(svg(figure), section.name) if figure is not None else "",
        "inches": figure.get_figwidth() if figure is not None else 0,
        "examples": [(caption, list(group)) for caption, group in groupby(examples, lambda example: example.caption)],
        "files": [file.relative_to(out).as_posix() for file in files],
    }
    return made, files


def _write_tables(section: Section, out: Path) -> list[Path]:
    table, result = exhibit_table(section.result), section.result
    # LaTeX numbers tables by itself.
    in_paper = replace(table, title=f"{result.heading} of the paper: {result.title}.")
    texts = {"md": format_table(table, "markdown"), "tex": format_table(in_paper, "latex")}
    files = {out / "tables" / f"{section.name}.{form}": text for form, text in texts.items()}
    for file, text in files.items():
        write_text(file, text)
    return list(files)


def inline(svg: str, name: str) -> str:
    """SVG text whose marks are named after ``name``: many figures on one page must not share them.

    Example:
        >>> inline('<clipPath id="p1"/><path clip-path="url(#p1)"/><use xlink:href="#p1"/>', "table4")
        '<clipPath id="table4.p1"/><path clip-path="url(#table4.p1)"/><use xlink:href="#table4.p1"/>'
    """
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}.", svg)


def _masks(found: list[Section], reader: ResultReader) -> dict[str, list[galleries.MaskPicture]]:
    """Pictures of the masks of one model for each scale and data set that models were trained on."""
    shown: dict[str, list[galleries.MaskPicture]] = {}
    for plan in {id(section.plan): section.plan for section in found}.values():
        masks = galleries.masks(plan, reader)
        if masks:
            shown.setdefault(f"{plan.scale} scale, {masks[0].data}", masks)
    return shown
