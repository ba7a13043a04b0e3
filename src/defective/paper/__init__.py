"""Every table and figure of the paper: published numbers, what measures them, what they are claimed to show. No torch here."""

from defective.errors import InputError
from defective.paper.claims import Claim, Comparison, Estimate, Verdict, difference, judge
from defective.paper.exhibit import Cell, Exhibit, Row
from defective.paper.setup import SCALES, Scale, Setup
from defective.paper.table4 import TABLE4

__all__ = [
    "EXHIBITS",
    "SCALES",
    "Cell",
    "Claim",
    "Comparison",
    "Estimate",
    "Exhibit",
    "Row",
    "Scale",
    "Setup",
    "Verdict",
    "difference",
    "exhibits",
    "judge",
]

EXHIBITS: dict[str, Exhibit] = {exhibit.name: exhibit for exhibit in (TABLE4,)}


def exhibits(names: list[str]) -> list[Exhibit]:
    """Exhibits by name, in the paper's order; ``all`` is every one.

    Raises:
        InputError: If a name is unknown.

    Example:
        >>> [exhibit.title for exhibit in exhibits(["table4"])]
        ['Ablations: where to put defects, neurons or channels, one mask or many, more channels']
    """
    unknown = [name for name in names if name not in EXHIBITS and name != "all"]
    if unknown:
        raise InputError(f"no exhibit {unknown[0]!r}; there are all, {', '.join(EXHIBITS)}")
    return [exhibit for name, exhibit in EXHIBITS.items() if name in names or "all" in names]
