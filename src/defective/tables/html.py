"""A table as HTML."""

from html import escape

from defective.tables.table import Code, Table
from defective.text import one_line

_COLUMN, _ROW = ' scope="col"', ' scope="row"'


def html(table: Table) -> str:
    """A table as a ``<table>``, its notes as a list after it. Numbers have the class ``number``."""
    about = f"<strong>{_text(table.title)}</strong> {_text(table.caption)}".strip()
    lines = ["<table>", *([f"<caption>{about}</caption>"] if table.title or table.caption else []), "<thead>"]
    if table.groups:
        spans = "".join(f'<th scope="colgroup" colspan="{size}">{_text(name)}</th>' for name, size in table.groups)
        lines.append(f"<tr><td></td>{spans}</tr>")
    heads = zip(table.columns, table.alignment, strict=True)
    lines += [f"<tr>{''.join(_cell('th', text, side, _COLUMN) for text, side in heads)}</tr>", "</thead>"]
    for heading, rows in table.blocks():
        lines.append("<tbody>")
        if heading:
            lines.append(f'<tr><th scope="rowgroup" colspan="{len(table.columns)}">{_text(heading)}</th></tr>')
        for first, *rest in rows:
            cells = (_cell("td", text, side) for text, side in zip(rest, table.alignment[1:], strict=True))
            lines.append(f"<tr>{_cell('th', first, table.alignment[0], _ROW)}{''.join(cells)}</tr>")
        lines.append("</tbody>")
    lines.append("</table>")
    lines += ["<ul>", *(f"<li>{_text(note)}</li>" for note in table.notes), "</ul>"] if table.notes else []
    return "\n".join(lines) + "\n"


def _cell(tag: str, text: str, side: str, scope: str = "") -> str:
    number = ' class="number"' if side == "r" else ""
    return f"<{tag}{scope}{number}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    escaped = escape(one_line(text))
    return f"<code>{escaped}</code>" if isinstance(text, Code) else escaped
