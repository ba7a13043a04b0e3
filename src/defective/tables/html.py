"""A table as HTML."""

from html import escape

from defective.tables.table import Cell, Code, Table
from defective.text import one_line


def html(table: Table) -> str:
    """A table as a ``<table>``, its notes as a list after it. Numbers have the class ``number``."""
    about = f"<strong>{_text(table.title)}</strong> {_text(table.caption)}".strip()
    lines = ["<table>", *([f"<caption>{about}</caption>"] if table.title or table.caption else []), "<thead>"]
    corner, *heads = zip(table.columns, table.alignment, strict=True)
    columns = "".join(_cell("th", head, side, scope="col") for head, side in heads)
    if table.groups:
        spans = "".join(_cell("th", name, scope="colgroup", colspan=str(size)) for name, size in table.groups)
        lines += [f"<tr>{_cell('th', *corner, scope='col', rowspan='2')}{spans}</tr>", f"<tr>{columns}</tr>"]
    else:
        lines.append(f"<tr>{_cell('th', *corner, scope='col')}{columns}</tr>")
    lines.append("</thead>")
    for heading, rows in table.blocks():
        lines.append("<tbody>")
        if heading:
            lines.append(f"<tr>{_cell('th', heading, scope='rowgroup', colspan=str(len(table.columns)))}</tr>")
        for first, *rest in rows:
            cells = (_cell("td", text, side) for text, side in zip(rest, table.alignment[1:], strict=True))
            lines.append(f"<tr>{_cell('th', first, table.alignment[0], scope='row')}{''.join(cells)}</tr>")
        lines.append("</tbody>")
    lines.append("</table>")
    lines += ["<ul>", *(f"<li>{_text(note)}</li>" for note in table.notes), "</ul>"] if table.notes else []
    return "\n".join(lines) + "\n"


def _cell(tag: str, text: str, side: str = "", **attributes: str) -> str:
    css = ["number"] if side == "r" else []
    if isinstance(text, Cell):
        css += text.css.split()
        attributes |= text.attributes
        shown = "".join([_text(text.text), *(f"<small>{_text(small)}</small>" for small in text.small)])
    else:
        shown = _text(text)
    attributes |= {"class": " ".join(css)} if css else {}
    given = "".join(f' {name.replace("_", "-")}="{escape(one_line(value))}"' for name, value in attributes.items())
    return f"<{tag}{given}>{shown}</{tag}>"


def _text(text: str) -> str:
    escaped = escape(one_line(text))
    return f"<code>{escaped}</code>" if isinstance(text, Code) else escaped
