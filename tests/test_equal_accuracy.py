"""What README and docs say of defective models beside equally accurate plain ones, at scale tiny."""

from collections import Counter
from pathlib import Path

from defective.results.documents import ExhibitResult

ROOT = Path(__file__).parents[1]


def prose(page):
    """A page on one line."""
    return " ".join((ROOT / page).read_text().split())


def controls_of(*tables):
    files = [ROOT / "results" / "cifar10-jpeg" / "tiny" / "cpu" / f"table{table}.json" for table in tables]
    cells = [cell for file in files for cell in ExhibitResult.from_json(file.read_text()).cells]
    return [(cell.row.partition("/")[2], cell.column, cell.control) for cell in cells if cell.control]


README, PAPER, VERDICTS = map(prose, ("README.md", "docs/paper.md", "docs/verdicts.md"))
CONTROLS = controls_of(*range(11, 16))


def under_pgd(*names):
    found = [control for name, column, control in CONTROLS if column == "PGD16" and name in names]
    assert len(found) == 5 * len(names)
    return found


def lead(*names):
    found = under_pgd(*names)
    assert all(control.verdict == "yes" for control in found)
    means = [control.difference.mean for control in found]
    return f"{min(means):.0f} to {max(means):.0f}"


def test_bottom_layers_lead_under_every_source_and_top_layers_do_not():
    few = lead(*(f"{share}-bottom" for share in (0.3, 0.25, 0.2, 0.15, 0.1, 0.05)))
    half, third, tenth = (lead(f"{share}-bottom") for share in (0.5, 0.3, 0.1))
    assert f"0.5-bottom leads equally accurate plain models by {half} points, 0.3- to 0.05-bottom by {few}" in README
    assert f"lead by {half}, {third} and {tenth} points, each clearly under all five sources" in PAPER
    top = under_pgd("0.7-top", "0.5-top", "0.3-top")
    assert all(control.verdict == "undecided" and abs(control.difference.mean) < 2 for control in top)
    assert f"lead it clearly by {lead('0.1-bottom-dc')} at nine tenths" in PAPER


def test_verdicts_and_widths_are_counted():
    verdicts = Counter(control.verdict for *_, control in CONTROLS)
    yes, undecided = verdicts["yes"], verdicts["undecided"]
    assert "no" not in verdicts
    assert f"Of all {len(CONTROLS)} cells {yes} are clearly better than it, none is worse, {undecided} are undecided." in PAPER
    assert f"of {len(CONTROLS)} cells of Tables 11-15, 269 were *yes*; pooled, {yes} are" in VERDICTS
    widths = sorted(control.difference.high - control.difference.low for *_, control in CONTROLS)
    quarters = (f"{widths[round(share * (len(widths) - 1))]:.0f}" for share in (0, 1, 0.25, 0.75))
    assert "{} to {} points wide, half of them {} to {}".format(*quarters) in VERDICTS


def test_models_that_defective_ones_attack_are_worse():
    found = [control for *_, control in controls_of(9)]
    assert all(control.difference.mean < 0 for control in found)
    assert (len(found), sum(control.verdict == "no" for control in found)) == (8, 7)
    assert "clearly in 7 of 8 cells" in README
