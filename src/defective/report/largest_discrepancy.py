"""The largest clear difference between measured and published numbers of an exhibit, as a sentence."""

import math

from defective.results.documents import CellResult, ExhibitResult
from defective.tables import interval, number


def largest_discrepancy(result: ExhibitResult) -> str:
    """Which measured number lies furthest from the printed one; empty if none can be compared.

    A difference is clear if its 95 % interval excludes 0. Shares are compared by points, scores by their ratio.
    """
    compared = [cell for cell in result.cells if cell.difference is not None]
    if not compared:
        return ""
    clear = [cell for cell in compared if cell.difference and cell.difference.significant]
    if not clear:
        return (
            f"No clear difference: in all {len(compared)} numbers that can be compared, the interval of the difference includes 0."
        )
    unit = result.unit
    cell = max(clear, key=lambda each: _size(each, unit))
    assert cell.difference is not None and cell.measured is not None and cell.published is not None
    apart = cell.difference
    bounds = interval(apart.low, apart.high, unit, signed=True)
    return (
        f"Largest clear difference: {result.label(cell.row)}, {cell.column}, {number(cell.measured.mean, unit)} measured and "
        f"{number(cell.published, unit, digits=2)} published ({number(apart.mean, unit, signed=True)}, 95 % interval {bounds})."
    )


def _size(cell: CellResult, unit: str) -> float:
    assert cell.difference is not None and cell.measured is not None and cell.published is not None
    if unit == "%" or min(cell.measured.mean, cell.published) <= 0:
        return abs(cell.difference.mean)
    return abs(math.log(cell.measured.mean / cell.published))
