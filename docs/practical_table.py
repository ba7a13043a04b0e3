"""The table and the plot of docs/practical.md, from what ``defective reproduce practical`` measured."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from defective.experiments.plan import KINDS, Plan
from defective.experiments.store import Store
from defective.figures import save
from defective.paper import EXHIBITS
from defective.paper.practical import ATTACKERS
from defective.paper.protocol import ACCURACY
from defective.report.plots import plot
from defective.results.documents import CellResult, ExhibitResult
from defective.specs import TrainJob
from defective.tables import DASH, Table, format_table, interval, number

# Heading to how the names of its attackers begin.
_GROUPS = {
    "Plain sources": ("ResNet-18", "VGG-19"),
    "Substitute": ("substitute",),
    "Adaptive source": ("adaptive",),
}


def practical_table(result: ExhibitResult) -> str:
    """One measured model per row: accuracy, the lowest share under each kind of attacker, the plain model as accurate, cost."""
    rows = []
    for row in result.rows:
        accuracy, attacked = result.cell(row.name, ACCURACY), [result.cell(row.name, column) for column in ATTACKERS]
        if accuracy.measured and all(cell.measured for cell in attacked):
            lowest = [_lowest(cell for cell in attacked if cell.column.startswith(starts)) for starts in _GROUPS.values()]
            worst = _lowest(lowest)
            shares = [f"**{_share(cell)}**" if cell is worst else _share(cell) for cell in lowest]
            rows.append((row.label, _share(accuracy), *shares, *_control(worst), f"{_cost(result, row.name):.1f}"))
    columns = ("Model", ACCURACY, *_GROUPS, "Plain, equally accurate", "Better?", "Training cost")
    return format_table(Table(columns, tuple(rows)), "markdown").replace(r"\*\*", "**")


def practical_plot(result: ExhibitResult, path: Path) -> None:
    """Write the plot of the same numbers as a PNG file."""
    with TemporaryDirectory() as folder:
        figure = plot(result, Store(Path(folder) / "none", make=False))
        assert figure is not None
        png = next(file for file in save(figure, Path(folder) / path.stem) if file.suffix == ".png")
        path.write_bytes(png.read_bytes())


def _lowest(cells: Iterable[CellResult]) -> CellResult:
    return min(cells, key=lambda cell: cell.measured.mean if cell.measured else 100.0)


def _share(cell: CellResult) -> str:
    assert cell.measured is not None
    return f"{number(cell.measured.mean)} {interval(cell.measured.low, cell.measured.high)}"


def _control(cell: CellResult) -> tuple[str, str]:
    if cell.control is None:
        return DASH, DASH
    return number(cell.control.rate), cell.control.verdict


def _cost(result: ExhibitResult, row: str) -> float:
    """Passes forwards and backwards through the network for each training image, relative to the plain model."""
    plan = Plan(("practical",), result.scale, result.data, {kind: KINDS[kind] for kind in result.data})
    cells = plan.of(EXHIBITS["practical"])
    return _passes(cells[row, ACCURACY][0].job) / _passes(cells[result.rows[0].name, ACCURACY][0].job)


def _passes(job: object) -> int:
    assert isinstance(job, TrainJob)
    attack = job.recipe.adversarial
    return job.recipe.trained_epochs * (1 + (int(attack.steps) if attack else 0))
