"""Every table and figure of the paper: published numbers, what measures them, what they are claimed to show. No torch here."""

from defective.errors import InputError
from defective.paper import (
    ablations,
    accuracy,
    architectures,
    baselines,
    corruptions,
    decision_based,
    drawings,
    galleries,
    practical,
    white_gray_box,
)
from defective.paper.appendix_claims import APPENDIX
from defective.paper.claims import CellKey, Claim, Verdict
from defective.paper.exhibit import Cell, Exhibit, Row
from defective.paper.main_claims import MAIN
from defective.paper.observations import OBSERVATIONS
from defective.paper.setup import SCALES, Scale, Setup
from defective.paper.text_placement import by_text
from defective.text import choices

__all__ = [
    "CLAIMS",
    "EXHIBITS",
    "OBSERVATIONS",
    "SCALES",
    "Cell",
    "CellKey",
    "Claim",
    "Exhibit",
    "Row",
    "Scale",
    "Setup",
    "Verdict",
    "exhibits",
]

_FAMILIES = (
    corruptions,
    baselines,
    architectures,
    ablations,
    decision_based,
    white_gray_box,
    galleries,
    drawings,
    accuracy,
)
_BY_NAME = {exhibit.name: exhibit for family in _FAMILIES for exhibit in family.EXHIBITS}
# What the paper says of them, in its order.
CLAIMS: tuple[Claim, ...] = (*MAIN, *APPENDIX)
# In the paper's order; then what its text speaks of and no table prints, and the optional ones.
EXHIBITS: dict[str, Exhibit] = {
    name: _BY_NAME[name] for kind in ("table", "figure") for name in (f"{kind}{number}" for number in range(1, 16))
}
_MORE = (_BY_NAME["settings"], *map(by_text, (EXHIBITS["table3"], EXHIBITS["table4"])), *practical.EXHIBITS)
EXHIBITS |= {made.name: made for made in _MORE}


def exhibits(names: list[str]) -> list[Exhibit]:
    """Exhibits by name, in the paper's order; ``all`` is every one but the optional ones.

    Raises:
        InputError: If a name is unknown.

    Example:
        >>> [exhibit.title for exhibit in exhibits(["table4"])]
        ['Ablations: where to put defects, neurons or channels, one mask or many, more channels']
    """
    unknown = [name for name in names if name not in EXHIBITS and name != "all"]
    if unknown:
        raise InputError(f"no table or figure {unknown[0]!r}{choices(unknown[0], ['all', *EXHIBITS])}")
    return [exhibit for name, exhibit in EXHIBITS.items() if name in names or ("all" in names and not exhibit.optional)]
