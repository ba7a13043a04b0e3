"""Every table and figure of the paper: published numbers, what measures them, what they are claimed to show. No torch here."""

from defective.errors import InputError
from defective.paper.claims import Claim, Comparison, Verdict, judge
from defective.paper.exhibit import Cell, Exhibit, Row
from defective.paper.figure1 import FIGURE1
from defective.paper.figure2 import FIGURE2
from defective.paper.figure3 import FIGURE3
from defective.paper.figure4 import FIGURE4
from defective.paper.figure5 import FIGURE5
from defective.paper.figure6 import FIGURE6
from defective.paper.figure7 import FIGURE7
from defective.paper.figure8 import FIGURE8
from defective.paper.figure9 import FIGURE9
from defective.paper.figure10 import FIGURE10
from defective.paper.figure11 import FIGURE11
from defective.paper.figure12 import FIGURE12
from defective.paper.figure13 import FIGURE13
from defective.paper.figure14 import FIGURE14
from defective.paper.figure15 import FIGURE15
from defective.paper.setup import SCALES, Scale, Setup
from defective.paper.table1 import TABLE1
from defective.paper.table2 import TABLE2
from defective.paper.table3 import TABLE3
from defective.paper.table4 import TABLE4
from defective.paper.table5 import TABLE5
from defective.paper.table6 import TABLE6
from defective.paper.table7 import TABLE7
from defective.paper.table8 import TABLE8
from defective.paper.table9 import TABLE9
from defective.paper.table10 import TABLE10
from defective.paper.table11 import TABLE11
from defective.paper.table12 import TABLE12
from defective.paper.table13 import TABLE13
from defective.paper.table14 import TABLE14
from defective.paper.table15 import TABLE15

__all__ = [
    "EXHIBITS",
    "SCALES",
    "Cell",
    "Claim",
    "Comparison",
    "Exhibit",
    "Row",
    "Scale",
    "Setup",
    "Verdict",
    "exhibits",
    "judge",
]

_IN_ORDER = (
    TABLE1,
    TABLE2,
    TABLE3,
    TABLE4,
    TABLE5,
    TABLE6,
    TABLE7,
    TABLE8,
    TABLE9,
    TABLE10,
    TABLE11,
    TABLE12,
    TABLE13,
    TABLE14,
    TABLE15,
    FIGURE1,
    FIGURE2,
    FIGURE3,
    FIGURE4,
    FIGURE5,
    FIGURE6,
    FIGURE7,
    FIGURE8,
    FIGURE9,
    FIGURE10,
    FIGURE11,
    FIGURE12,
    FIGURE13,
    FIGURE14,
    FIGURE15,
)
EXHIBITS: dict[str, Exhibit] = {exhibit.name: exhibit for exhibit in _IN_ORDER}


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
