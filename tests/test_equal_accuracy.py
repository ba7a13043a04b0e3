"""What README and docs say of defective models beside equally accurate plain ones, at scale tiny."""

from collections import Counter
from pathlib import Path
from statistics import median

from defective.results.documents import ExhibitResult

ROOT = Path(__file__).parents[1]


def prose(page):
    """A page on one line."""
    return " ".join((ROOT / page).read_text().split())


def controls_of(*tables):
    return [(cell.row.partition("/")[2], cell.column, cell.control) for cell in controlled(*tables)]


def controlled(*tables):
    files = [ROOT / "results" / "cifar10-jpeg" / "tiny" / "cpu" / f"table{table}.json" for table in tables]
    return [cell for file in files for cell in ExhibitResult.from_json(file.read_text()).cells if cell.control]


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
    assert f"where 0.1 are kept they lead it clearly, by {lead('0.1-bottom-dc')}." in PAPER


def test_verdicts_and_widths_are_counted():
    verdicts = Counter(control.verdict for *_, control in CONTROLS)
    yes, undecided = verdicts["yes"], verdicts["undecided"]
    assert "no" not in verdicts
    assert f"Of all {len(CONTROLS)} cells {yes} are clearly better than it, none is worse, {undecided} are undecided." in PAPER
    assert f"of {len(CONTROLS)} cells of Tables 11-15, 269 were *yes*; pooled, {yes} are" in VERDICTS
    widths = sorted(control.difference.high - control.difference.low for *_, control in CONTROLS)
    quarters = (f"{widths[round(share * (len(widths) - 1))]:.0f}" for share in (0, 1, 0.25, 0.75))
    assert "{} to {} points wide, half of them {} to {}".format(*quarters) in VERDICTS


def test_most_lie_above_both_checkpoints_which_may_be_far_apart():
    def above(cell):
        pairs = zip(cell.measured.values, cell.control.checkpoints, strict=True)
        return all(rate > max(each.rate for each in side) for rate, side in pairs)

    cells = controlled(*range(11, 16))
    yes = [above(cell) for cell in cells if cell.control.verdict == "yes"]
    assert f"pooled, {len(yes)} are. In {sum(yes)} of these" in VERDICTS
    bottom = {f"resnet18/{share}-bottom" for share in (0.5, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05)}
    found = [above(cell) for cell in cells if cell.column == "PGD16" and cell.row in bottom]
    assert all(found) and f"({len(found)} of {len(found)} cells)" in PAPER
    sides = [side for cell in cells for side in cell.control.checkpoints if len(side) == 2]
    gaps = [high.accuracy - low.accuracy for low, high in sides]
    assert f"{max(gaps):.1f} in Tables 11-15 (median {median(gaps):.1f})" in VERDICTS
    steepest = max(sides, key=lambda side: side[0].rate - side[1].rate)
    assert f"may fall from {steepest[0].rate:.0f} to {steepest[1].rate:.0f} % between them" in VERDICTS


def test_every_architecture_is_better_than_its_equally_accurate_plain_model():
    means = [control.difference.mean for *_, control in controls_of(3, 5)]
    assert f"in all {len(means)} cells, by {min(means):.0f} to {max(means):.0f} points" in PAPER


def test_models_that_defective_ones_attack_are_worse():
    found = [control for *_, control in controls_of(9)]
    assert all(control.difference.mean < 0 for control in found)
    assert (len(found), sum(control.verdict == "no" for control in found)) == (8, 7)
    assert "clearly in 7 of 8 cells" in README
