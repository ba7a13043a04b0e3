"""A table as LaTeX."""

import re

from defective.tables.numbers import DASH
from defective.tables.table import Code, Table
from defective.text import one_line

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    # At the start of a row these two would be arguments of the line break before it.
    **{sign: f"{{{sign}}}" for sign in "[*"},
    "--": "-{}-",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    DASH: "--",
    "−": "$-$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "σ": r"$\sigma$",
    "²": "$^2$",
}
_LATEX_SIGNS = re.compile("|".join(map(re.escape, sorted(_LATEX, key=len, reverse=True))))


def latex(table: Table) -> str:
    """A table as a LaTeX float; it needs the packages booktabs and graphicx."""
    columns = len(table.columns)
    head = [_row(table.columns)]
    if table.groups:
        ends = [1 + sum(size for _, size in table.groups[: index + 1]) for index in range(len(table.groups))]
        spans = [rf"\multicolumn{{{size}}}{{c}}{{{_text(name)}}}" for name, size in table.groups]
        rules = [rf"\cmidrule(lr){{{end - size + 1}-{end}}}" for end, (_, size) in zip(ends, table.groups, strict=True)]
        head = [rf"{' & '.join(['', *spans])} \\", "".join(rules), *head]
    body = []
    for heading, rows in table.blocks():
        if heading:
            body.append(rf"\multicolumn{{{columns}}}{{l}}{{\textit{{{_text(heading)}}}}} \\")
        body += map(_row, rows)
    caption = " ".join(filter(None, [table.title, table.caption]))
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,graphicx}.",
            r"\begin{table}",
            r"\centering",
            *([rf"\caption{{{_text(caption)}}}"] if caption else []),
            *([rf"\label{{tab:{table.label}}}"] if table.label else []),
            # A table of eight attacks is wider than any page.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{table.alignment}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *(rf"\par\footnotesize {_text(note)}" for note in table.notes),
            r"\end{table}",
            "",
        ]
    )


def _row(cells: tuple[str, ...]) -> str:
    return rf"{' & '.join(map(_text, cells))} \\"


def _text(text: str) -> str:
    escaped = _LATEX_SIGNS.sub(lambda found: _LATEX[found[0]], one_line(text))
    return rf"\texttt{{{escaped}}}" if isinstance(text, Code) else escaped
