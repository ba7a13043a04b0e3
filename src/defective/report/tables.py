"""One exhibit as a Markdown table and as a LaTeX table, published and measured side by side."""

import re

from defective.report.numbers import (
    DASH,
    bounds,
    cells_by_place,
    chance_warning,
    heading,
    kinds,
    missing,
    sample,
    setting,
    shown,
    some_seeds,
)
from defective.results.measured import Document

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "σ": r"$\sigma$",
    "²": "$^2$",
}


def markdown(document: Document) -> str:
    """A document of :func:`defective.results.measured.document` as Markdown; only its caption if it has no rows.

    Example:
        >>> one = {"row": "a", "column": "PGD", "published": 51.29, "measured": None}
        >>> rows = [{"name": "a", "label": "Plain | net"}]
        >>> about = {"exhibit": "table4", "title": "Nets", "scale": "tiny", "data": {}, "seeds": 1, "unit": "%"}
        >>> print(markdown(about | {"columns": ["PGD"], "rows": rows, "cells": [one]}))
        **Table 4. Nets.** In %. Measured at tiny scale, 1 seed, with 95 % intervals; – is not measured or not printed.
        <BLANKLINE>
        |  | PGD, published | PGD, measured |
        | :-- | --: | --: |
        | Plain \\| net | 51.29 | – |
        <BLANKLINE>
    """
    caption = f"**{_escaped(_title(document))}** {_escaped(_about(document))}\n"
    if not document["rows"]:
        return caption
    head = ["", *(f"{column}, {kind}" for column in document["columns"] for kind in _pair(document))]
    lines = [[_escaped(text) for text in line] for line in [head, *_lines(document)]]
    lines.insert(1, [":--", *["--:"] * (len(head) - 1)])
    return "\n".join([caption, *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def latex(document: Document) -> str:
    """A document as a LaTeX table; it needs the packages booktabs and graphicx. Only a comment if it has no rows."""
    if not document["rows"]:
        return f"% {_title(document)} No table.\n"
    pair, columns = _pair(document), document["columns"]
    # LaTeX numbers it in its own way.
    caption = f"{heading(document['exhibit'])} of the paper: {document['title']}. {_about(document)}"
    first = " & ".join(["", *(rf"\multicolumn{{{len(pair)}}}{{c}}{{{_tex(column)}}}" for column in columns)])
    rules = "".join(rf"\cmidrule(lr){{{2 + i * len(pair)}-{1 + (i + 1) * len(pair)}}}" for i in range(len(columns)))
    second = " & ".join(["", *pair * len(columns)])
    body = [" & ".join(_tex(text) for text in line) for line in _lines(document)]
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,graphicx}.",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(caption)}}}",
            rf"\label{{tab:{document['exhibit']}}}",
            # A table of eight attacks is wider than any page.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(pair) * len(columns))}}}",
            r"\toprule",
            rf"{first} \\",
            rules,
            rf"{second} \\",
            r"\midrule",
            *(rf"{line} \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _title(document: Document) -> str:
    return f"{heading(document['exhibit'])}. {document['title']}."


def _about(document: Document) -> str:
    unit = {"%": "In %", "S(M)": "Scores S(M)"}[document["unit"]]
    where = ", ".join(filter(None, [setting(document), sample(document)]))
    about = f"{unit}. Measured at {where}, with 95 % intervals; {DASH} is not measured or not printed."
    # Documents of earlier versions know neither of captions nor of chance.
    return " ".join(filter(None, [document.get("caption", ""), about, chance_warning(document.get("at_chance", []))]))


def _pair(document: Document) -> list[str]:
    return [kind for kind in kinds(document) if kind != "difference"]


def _lines(document: Document) -> list[list[str]]:
    cells, unit = cells_by_place(document), document["unit"]
    lines = []
    for row in document["rows"]:
        line = [row["label"]]
        for column in document["columns"]:
            cell = cells[row["name"], column]
            printed, measured = cell["published"], cell["measured"]
            texts = {
                "published": DASH if printed is None else shown(printed, unit, "published"),
                "measured": missing(cell)
                if measured is None
                else f"{shown(measured['mean'], unit)} ({'; '.join(_beside(cell, document))})",
            }
            line += [texts[kind] for kind in _pair(document)]
        lines.append(line)
    return lines


def _beside(cell: Document, document: Document) -> list[str]:
    seeds = some_seeds(cell, document)
    return [bounds(cell["measured"], document["unit"]), *([seeds] if seeds else [])]


def _escaped(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", text)


def _tex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
