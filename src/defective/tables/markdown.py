"""A table as Markdown, as GitHub and MyST read it."""

import re
from collections.abc import Iterable

from defective.tables.table import Code, Table
from defective.text import one_line


def markdown(table: Table) -> str:
    """A table as Markdown."""
    about = [f"**{markdown_text(table.title)}**"] if table.title else []
    about += [_paragraph(table.caption)] if table.caption else []
    lines = [" ".join(about), ""] if about else []
    lines += [_row(table.full_columns), f"| {' | '.join({'l': ':--', 'r': '--:'}[each] for each in table.alignment)} |"]
    for heading, rows in table.blocks():
        if heading:
            lines.append(f"| **{_cell(heading)}** |" + "  |" * (len(table.columns) - 1))
        lines += map(_row, rows)
    lines += ["", *(f"- {_paragraph(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    # GitHub parts the cells of a row before it looks for code.
    return markdown_text(text).replace("|", r"\|") if isinstance(text, Code) else markdown_text(text)


def markdown_text(text: str) -> str:
    r"""Plain text as Markdown that shows it literally, on one line.

    Example:
        >>> print(markdown_text("a_b | [x] & :factory: <i>"))
        a\_b \| \[x\] & \:factory: \<i\>
    """
    line = one_line(text)
    if isinstance(text, Code):
        fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
        pad = " " * line.startswith("`") or " " * line.endswith("`")
        return f"{fence}{pad}{line}{pad}{fence}"
    return re.sub(r"[\\|*_`<>\[\]~$]|&(?=#?\w+;)|:(?=\w+:)", r"\\\g<0>", line)


def _paragraph(text: str) -> str:
    """As :func:`markdown_text`, where it would begin a list or a heading."""
    return re.sub(r"^(\d*)([-+#=.)])", r"\1\\\2", markdown_text(text))
