"""Which parts of the package import which, read from the code."""

import ast
from pathlib import Path

from defective.tables import Code, Table, format_table

SOURCE = Path(__file__).parents[1] / "src" / "defective"


def part(file: Path) -> str:
    """The folder or file directly in the package that a file belongs to.

    Example:
        >>> part(SOURCE / "cli" / "train.py"), part(SOURCE / "masks.py")
        ('cli', 'masks')
    """
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def imported_parts(file: Path) -> set[str]:
    """Parts of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "defective":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("defective.")}
    return found & {part(each) for each in SOURCE.rglob("*.py")}


def module_graph() -> dict[str, set[str]]:
    """Each part with those that it imports, no part before one that imports it."""
    imports: dict[str, set[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        if part(file) != "__init__":
            imports.setdefault(part(file), set()).update(imported_parts(file) - {part(file)})
    ordered: dict[str, set[str]] = {}
    while left := imports.keys() - ordered.keys():
        free = sorted(each for each in left if not any(each in imports[other] for other in left))
        if not free:
            raise ValueError(f"these parts import each other: {', '.join(sorted(left))}")
        ordered |= {each: imports[each] for each in free}
    return ordered


def module_table() -> str:
    """The graph as a Markdown table, leaves left out."""
    graph = module_graph()
    order = list(graph)
    rows = tuple((Code(name), ", ".join(sorted(below, key=order.index))) for name, below in graph.items() if below)
    return format_table(Table(("Part", "Imports"), rows, align="ll"), "markdown")
