"""The report of a store: every table and figure as one page, as Markdown and LaTeX tables, and as figures."""

import json
import re
import shlex
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from defective._version import __version__
from defective.data.download import REMOTES
from defective.errors import InputError
from defective.experiments.plan import KINDS, Plan, read_plan
from defective.experiments.store import Store
from defective.files import check_folder, write_whole
from defective.paper import EXHIBITS
from defective.progress import progress_bar
from defective.report import drawings, galleries, plots
from defective.report.cells import rows_of
from defective.report.departures import departures, seed_notes
from defective.report.figures import save, svg
from defective.report.largest import largest_difference
from defective.report.numbers import chance_warning, counted, heading, kinds, sample, setting
from defective.report.page import write_page
from defective.report.parts import Part, Shelf, parts
from defective.report.provenance import how_measured, job_notes
from defective.report.tables import latex, markdown
from defective.report.verdicts import claims, summary

_GENERAL = (
    "The images of each measurement are drawn in a seeded order from those that qualify. The paper's own samples are not known.",
    "Where text and released code part, the code is followed: most likely the printed numbers came from it. What else had to be chosen "
    "stands above each table.",
    "Defects are placed by chance before training: other masks of the same kind give a somewhat different net.",
)


def write_report(store: Store, out: Path) -> tuple[list[Path], list[str]]:
    """Write the report of all that a store was asked for, as far as it is measured; remove files of an earlier one that it lacks.

    Args:
        store: Plans and results.
        out: Folder for ``index.html``, which needs no other file, ``tables/`` and ``figures/``.

    Returns:
        The files written, the page first, and a line for each damaged file of the store that was left out.

    Raises:
        InputError: If nothing was asked for yet, or ``out`` cannot be written.
    """
    check_folder(out)
    planned = [read_plan(plan) for plan in store.plans()]
    if not planned:
        raise InputError(f"{store.folder} holds no plan: there is nothing to report; defective reproduce makes one")
    shelf = Shelf(store)
    shown = parts(planned, shelf)
    sections, files = [], []
    with progress_bar("report", len(shown), unit="exhibits") as advance:
        for part in shown:
            section, written = _section(part, shelf, out)
            section["several"] = sum(other.document["exhibit"] == section["exhibit"] for other in shown) > 1
            sections.append(section)
            files += written
            advance(note=part.name)
    page = out / "index.html"
    write_page(page, template="campaign.html.j2", sections=sections, **_about(planned, shown, shelf))
    _forget(out, files)
    return [page, *files], shelf.lost


def _forget(out: Path, files: list[Path]) -> None:
    """Remove what an earlier report in the same folder had and this one has not, by the list that each leaves there."""
    listed = out / "files.json"
    made = sorted(file.relative_to(out).as_posix() for file in files)
    with suppress(OSError, ValueError, TypeError):
        for name in set(json.loads(listed.read_text(encoding="utf-8"))) - set(made):
            if re.fullmatch(r"(tables|figures)/[\w.-]+", name):
                (out / name).unlink(missing_ok=True)
    write_whole(listed, lambda temporary: temporary.write_text(json.dumps(made, indent=1), encoding="utf-8"))


def _about(planned: list[Plan], shown: list[Part], shelf: Shelf) -> dict[str, Any]:
    """All that the page tells beside the exhibits."""
    found = claims(shown, shelf)
    exhibits = {part.document["exhibit"] for part in shown}
    return {
        "title": "Defective convolutional layers, measured again",
        "lead": (
            f"{_how_many(exhibits)} of the paper Defective Convolutional Layers Learn Robust CNNs, run again with the Python package "
            "defective. What was measured stands beside what was printed, and each claim that the paper makes about its numbers is put to "
            "the test."
        ),
        "claims": found,
        "verdicts": summary(found),
        "masks": _masks(shown, shelf),
        "how": how_measured(planned, shelf.store),
        "general": [*_GENERAL, *seed_notes(shown)],
        "departures": departures(shown, shelf.store),
        "commands": list(dict.fromkeys(command(part) for part in shown)),
        "data_note": "What is written in capitals stands for the path of the data set that was used here.",
        "others": [heading(name) for name in EXHIBITS if name not in exhibits],
        "jobs": job_notes(part.document for part in shown),
        "footer": f"Made by defective {__version__} from its store; every number above is also in tables/ and in the store's JSON files.",
    }


def _how_many(exhibits: set[str]) -> str:
    counts = {kind: sum(name.startswith(kind) for name in exhibits) for kind in ("table", "figure")}
    return " and ".join(counted(count, kind) for kind, count in counts.items() if count).capitalize()


def command(part: Part) -> str:
    """What measures a part again.

    Example:
        >>> plan = Plan(("table4",), "tiny", {"cifar10": "cifar10-jpeg"}, {"cifar10": (3, 32, 32)})
        >>> command(Part("table4", plan, {"exhibit": "table4", "data": plan.data}))
        'defective reproduce table4 --scale tiny --data cifar10=folder:CIFAR10-JPEG --store runs/store'
    """
    exhibit, plan = EXHIBITS[part.document["exhibit"]], part.plan
    words = [*exhibit.command.split(), "--scale", plan.scale]
    for kind in part.document["data"]:
        where = _where(kind, plan)
        # The official set is what an exhibit takes for its own kind if nothing is said.
        words += ["--data", where] if where != kind or kind != exhibit.data else []
    return shlex.join([*words, *(["--seeds", str(plan.seeds)] if plan.seeds > 1 else []), "--store", "runs/store"])


def _where(kind: str, plan: Plan) -> str:
    """The value of ``--data``; where a set lies is not in the store, as no result may depend on it."""
    name = plan.data[kind]
    reader = plan.readers.get(kind, name if name in (*KINDS, "shapes") else "folder")
    path = "" if reader == name and name in (*REMOTES, "shapes") else f":{name.upper()}"
    return f"{reader}{path}" if reader == kind else f"{kind}={reader}{path}"


def _section(part: Part, shelf: Shelf, out: Path) -> tuple[dict[str, Any], list[Path]]:
    """What the page shows of an exhibit, and its files."""
    document = part.document
    files = []
    for suffix, text in (("md", markdown(document)), ("tex", latex(document))) if document["rows"] else ():
        file = out / "tables" / f"{part.name}.{suffix}"
        write_whole(file, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))  # type: ignore[misc]
        files.append(file)
    drawn = document["view"] == "drawing"
    figure = drawings.drawing(document["exhibit"], part.plan, shelf) if drawn else plots.plot(document, shelf.store)
    if figure is not None:
        files += save(figure, out / "figures" / part.name)
    done = [cell for cell in document["cells"] if cell["measured"] is not None or cell["jobs"]]
    section = {
        **{key: document[key] for key in ("exhibit", "title", "caption", "where", "view", "unit", "columns", "notes")},
        "name": part.name,
        "heading": heading(document["exhibit"]),
        "setting": setting(document) if document["rows"] else "",
        "sample": sample(document),
        "measured": len(done),
        "total": len(document["cells"]),
        "claims": counted(len(document["claims"]), "claim") if document["claims"] else "",
        "kinds": kinds(document),
        "largest": largest_difference(document),
        "warning": chance_warning(document["at_chance"]),
        "rows": rows_of(document),
        "picture": inline(svg(figure), part.name) if figure is not None else "",
        "inches": figure.get_figwidth() if figure is not None else 0,
        "galleries": _galleries(part, shelf),
        "files": [{"href": file.relative_to(out).as_posix(), "words": file.name} for file in files],
    }
    return section, files


def _galleries(part: Part, shelf: Shelf) -> list[dict[str, Any]]:
    """Attacked images: all of a gallery, and some that other exhibits count."""
    whole = part.document["view"] == "gallery"
    pictures = galleries.gallery(part.document, part.plan, shelf) if whole else galleries.examples(part.document, shelf)
    grouped = groupby(pictures, lambda picture: picture["caption"])
    return [{"caption": caption, "pictures": list(group)} for caption, group in grouped]


def inline(svg: str, name: str) -> str:
    """SVG text whose marks are named after ``name``: many figures on one page must not share them.

    Example:
        >>> inline('<clipPath id="p1"/><path clip-path="url(#p1)"/><use xlink:href="#p1"/>', "table4")
        '<clipPath id="table4.p1"/><path clip-path="url(#table4.p1)"/><use xlink:href="#table4.p1"/>'
    """
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}.", svg)


def _masks(shown: list[Part], shelf: Shelf) -> list[dict[str, Any]]:
    """Pictures of the masks of one net for each scale and data set that nets were trained on."""
    found: dict[str, list[dict[str, str]]] = {}
    for plan in {id(part.plan): part.plan for part in shown}.values():
        masks = galleries.masks(plan, shelf)
        if masks:
            found.setdefault(f"{plan.scale} scale, {masks[0]['data']}", masks)
    return [{"setting": about, "masks": masks} for about, masks in found.items()]
