"""Write the tables of README and docs anew from results/: ``python docs/fill.py`` (``make tables``).

A table stands between ``<!-- results/DATA/SCALE/DEVICE/EXHIBIT.json -->`` and ``<!-- end -->``; the claims of all exhibits of a scale and a
device between ``<!-- claims SCALE/DEVICE -->`` and ``<!-- end -->``, and how many of them hold between ``<!-- verdicts SCALE/DEVICE -->``
and ``<!-- end -->``; what each exhibit is estimated to cost between
``<!-- costs -->`` and ``<!-- end -->``; the clear ratios of the benchmark between ``<!-- bench -->`` and ``<!-- end -->``, some
of them between ``<!-- bench ROW/LINE ROW/LINE -->`` and ``<!-- end -->``, and on what they were measured between
``<!-- bench machines -->`` and ``<!-- end -->``.
"""

import json
import math
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import page as benchmark
from defective.experiments.cost import Nominal, outline
from defective.experiments.plan import KINDS, Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS, SCALES
from defective.report.largest import largest_difference
from defective.report.numbers import chance_warning, heading, unequal_warning
from defective.report.tables import markdown

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- (costs|bench[\w/ -]*|(?:claims|verdicts) \w+/\w+|results/\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Scale to the kind of machine that it is meant for.
_MACHINES = {"tiny": ("cpu", "two CPU cores"), "fast": ("cuda", "one GPU"), "paper": ("cuda", "one GPU")}


def filled(text: str) -> str:
    """The text with every block as the results have it now."""

    def block(found: re.Match[str]) -> str:
        what, _, rest = found[2].partition(" ")
        match what:
            case "costs":
                made = costs()
            case "claims":
                made = claims(tested(ROOT / "results", rest))
            case "verdicts":
                made = verdicts(tested(ROOT / "results", rest))
            case "bench":
                made = bench(rest, ROOT / "results" / "bench")
            case _:
                made = table(ROOT / what)
        return f"{found[1]}\n{made}\n{found[3]}"

    return _BLOCK.sub(block, text)


def table(file: Path) -> str:
    """One exhibit, published and measured, where the two lie furthest apart, and what a reader must know to compare them."""
    document = _read(file)
    parts = [markdown(document).rstrip("\n"), largest_difference(document)]
    if notes := "\n".join(f"- {note}" for note in document["notes"]):
        parts.append(f"<details><summary>Notes</summary>\n\n{notes}\n\n</details>")
    return "\n\n".join(filter(None, parts)) + "\n"


def tested(folder: Path, where: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every claim that was put to the test at a scale on a device, as ``"tiny/cpu"``, after the document that it stands in."""
    documents = [_read(file) for file in sorted(folder.glob(f"*/{where}/*.json"))]
    documents.sort(key=lambda document: list(EXHIBITS).index(document["exhibit"]))
    return [(document, claim) for document in documents for claim in document["claims"] if claim["verdict"] != "not measured"]


def claims(found: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Claims with their verdicts, as a table."""
    lines = _head(
        [":--", ":--", ":--", ":--", "--:", "--:"],
        *("Claim", "Exhibit", "Data", "Verdict", "Comparisons that hold", "In the printed numbers"),
    )
    for document, claim in found:
        held = _held(claim["counts"], "not measured"), _held(claim["published"]["counts"], "not printed")
        where = heading(document["exhibit"]), _data(document)
        doubts = chance_warning(claim.get("at_chance", [])), unequal_warning(claim.get("unequal", []))
        text = " ".join(filter(None, [claim["text"], *doubts]))
        lines.append(_line(text.replace("|", "\\|"), *where, f"**{claim['verdict']}**", *held))
    return "\n".join(lines) + "\n"


def verdicts(found: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """How many claims hold, and what those say that do not."""
    counts = Counter(claim["verdict"] for _, claim in found)
    said = [f"{counts[verdict]} {word}" for verdict, word in (("holds", "hold"), ("fails", "fail"), ("undecided", "are undecided"))]
    lines = [f"Claims put to the test so far, each data set counted: {len(found)}. Of these {', '.join(said[:2])} and {said[2]}."]
    failing: dict[tuple[str, str], list[str]] = {}
    for document, claim in found:
        if claim["verdict"] == "fails":
            failing.setdefault((claim["text"], _data(document)), []).append(heading(document["exhibit"]))
    lines += ["Those that fail:", ""] if failing else []
    lines += [f"- {text} ({', '.join(where)}, {data})" for (text, data), where in failing.items()]
    return "\n".join(lines) + "\n"


def _data(document: dict[str, Any]) -> str:
    """The sets that an exhibit was measured on, and what they stand for."""
    return ", ".join(name if name == kind else f"{name} for {kind}" for kind, name in document["data"].items())


def bench(names: str, folder: Path) -> str:
    """Ratios that the machines of ``results/bench/`` measured, all or those of some lines, or what these machines are."""
    documents = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    return benchmark.machines(documents) if names == "machines" else benchmark.table(documents, names.split())


def costs() -> str:
    """Jobs, estimated time and command of every exhibit, each by itself, from an empty store, on the official data sets."""
    scales = [f"{scale}, {_MACHINES[scale][1]}" for scale in SCALES]
    lines = _head([":--", "--:", *["--:"] * len(scales), ":--"], "Exhibit", "Jobs", *scales, "Command: `defective reproduce ...`")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "empty", make=False)
        for name in (*EXHIBITS, "all"):
            kinds = {EXHIBITS[name].data} - {""} if name in EXHIBITS else KINDS
            data = " --data imagenet:PATH" * ("imagenet" in kinds)
            outlines = [_outline(name, scale, kinds, store) for scale in SCALES]
            jobs = dict.fromkeys(str(count) for count, _ in outlines)
            times = [_time(seconds) if count else "–" for count, seconds in outlines]
            lines.append(_line(heading(name), ", ".join(jobs), *times, f"`{name}{data}`"))
    return "\n".join(lines) + "\n"


def pages() -> list[Path]:
    """The files that hold such blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _outline(name: str, scale: str, kinds: Iterable[str], store: Store) -> tuple[int, float]:
    """Jobs of an exhibit and their estimated seconds."""
    plan = Plan((name,), scale, {kind: kind for kind in kinds}, KINDS)
    rows = outline(plan, store, Nominal(plan.images, _MACHINES[scale][0]))
    return len(plan.jobs), sum(row["seconds"] for row in rows)


def _time(seconds: float) -> str:
    """Two digits at most: an estimate has no more.

    Example:
        >>> _time(20), _time(3000), _time(50_000), _time(2e6)
        ('< 1 min', '50 min', '14 h', '23 d')
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            number = seconds / size
            rounded = round(number, 1 - math.floor(math.log10(number)))
            return f"{rounded:.1f} {unit}" if rounded < 10 and unit != "min" else f"{rounded:,.0f} {unit}"
    return "< 1 min"


def _held(counts: dict[str, int], none: str) -> str:
    """How many of the comparisons that could be made hold."""
    made = sum(counts.values()) - counts.get("not measured", 0)
    return f"{counts.get('holds', 0)} of {made}" if made else none


def _read(file: Path) -> dict[str, Any]:
    """A document of the store; JSON has no infinity, so that a bound which lies nowhere is null there."""

    def restored(found: dict[str, Any]) -> dict[str, Any]:
        ends = {"low": -math.inf, "high": math.inf}
        return {key: ends[key] if value is None and key in ends else value for key, value in found.items()}

    document: dict[str, Any] = json.loads(file.read_text(), object_hook=restored)
    return document


def _head(marks: list[str], *cells: str) -> list[str]:
    return [_line(*cells), _line(*marks)]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for page in pages():
        before = page.read_text()
        if (after := filled(before)) != before:
            page.write_text(after)
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")
