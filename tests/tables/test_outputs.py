import io
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from defective.errors import InputError
from defective.tables import Cell, Code, Table, format_table

NASTY = (
    "[x]",
    "[/b] [red]",
    ":factory:",
    "a|b",
    "snake_case_name",
    "<b>&amp;</b>",
    "*a* `b` ~~c~~ $d$",
    r"\alpha\|",
    "100 % #1 {x}^2",
)
TABLE = Table(
    ("net", "printed", "ours", "ours"),
    (("plain", "14.14", "20.0 (15.1–26.2)", "95.3"), ("0.1-bottom", "–", "−3.0", ""), ("x2", "", "", "1.0")),
    title="Nets.",
    caption="In %.",
    groups=(("PGD", 2), ("Test", 1)),
    headings=("normal", "normal", "wide"),
    notes=("1. First.", "A note with a_b."),
    label="nets",
)


def test_markdown_is_exactly_this():
    assert format_table(TABLE, "markdown") == (
        "**Nets.** In %.\n"
        "\n"
        "| net | PGD, printed | PGD, ours | Test, ours |\n"
        "| :-- | --: | --: | --: |\n"
        "| **normal** |  |  |  |\n"
        "| plain | 14.14 | 20.0 (15.1–26.2) | 95.3 |\n"
        "| 0.1-bottom | – | −3.0 |  |\n"
        "| **wide** |  |  |  |\n"
        "| x2 |  |  | 1.0 |\n"
        "\n"
        "- 1\\. First.\n"
        "- A note with a\\_b.\n"
    )


def test_latex_is_exactly_this():
    assert format_table(TABLE, "latex").splitlines() == [
        r"% Needs \usepackage{booktabs,graphicx}.",
        r"\begin{table}",
        r"\centering",
        r"\caption{Nets. In \%.}",
        r"\label{tab:nets}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{PGD} & \multicolumn{1}{c}{Test} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}",
        r"net & printed & ours & ours \\",
        r"\midrule",
        r"\multicolumn{4}{l}{\textit{normal}} \\",
        r"plain & 14.14 & 20.0 (15.1--26.2) & 95.3 \\",
        r"0.1-bottom & -- & $-$3.0 &  \\",
        r"\multicolumn{4}{l}{\textit{wide}} \\",
        r"x2 &  &  & 1.0 \\",
        r"\bottomrule",
        r"\end{tabular}}",
        r"\par\footnotesize 1. First.",
        r"\par\footnotesize A note with a\_b.",
        r"\end{table}",
    ]


def test_html_is_exactly_this():
    cell = Cell("1.0", "0.5–1.5", "2 of 3", css="measured up", data_value="1<2")
    table = Table(("", "a & b"), (("<i>", cell),), title="T", headings=("h",), groups=(("g", 1),), notes=("n < 1",))
    assert format_table(table, "html").splitlines() == [
        "<table>",
        "<caption><strong>T</strong></caption>",
        "<thead>",
        '<tr><th scope="col" rowspan="2"></th><th scope="colgroup" colspan="1">g</th></tr>',
        '<tr><th scope="col" class="number">a &amp; b</th></tr>',
        "</thead>",
        "<tbody>",
        '<tr><th scope="rowgroup" colspan="2">h</th></tr>',
        '<tr><th scope="row">&lt;i&gt;</th><td data-value="1&lt;2" class="number measured up">1.0<small>0.5–1.5</small>'
        "<small>2 of 3</small></td></tr>",
        "</tbody>",
        "</table>",
        "<ul>",
        "<li>n &lt; 1</li>",
        "</ul>",
    ]
    assert "| \\<i\\> | 1.0 (0.5–1.5; 2 of 3) |" in format_table(table, "markdown")


def test_a_terminal_shows_exactly_this():
    assert format_table(TABLE, "terminal", width=80).splitlines() == [
        "Nets. In %.",
        "┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┓",
        "┃ net        ┃ PGD, printed ┃        PGD, ours ┃ Test, ours ┃",
        "┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━┩",
        "│ normal     │              │                  │            │",
        "│ plain      │        14.14 │ 20.0 (15.1–26.2) │       95.3 │",
        "│ 0.1-bottom │            – │             −3.0 │            │",
        "├────────────┼──────────────┼──────────────────┼────────────┤",
        "│ wide       │              │                  │            │",
        "│ x2         │              │                  │        1.0 │",
        "└────────────┴──────────────┴──────────────────┴────────────┘",
        "1. First.",
        "A note with a_b.",
    ]


def test_a_narrow_terminal_shows_exactly_this():
    assert format_table(TABLE, "terminal", width=26).splitlines() == [
        "Nets. In %.",
        "normal:",
        "plain",
        "  PGD, printed: 14.14",
        "  PGD, ours:",
        "    20.0 (15.1–26.2)",
        "  Test, ours: 95.3",
        "0.1-bottom",
        "  PGD, printed: –",
        "  PGD, ours: −3.0",
        "wide:",
        "x2",
        "  Test, ours: 1.0",
        "1. First.",
        "A note with a_b.",
    ]


@pytest.mark.parametrize("width", [18, 22, 26, 30, 40, 60, 80, 200])
def test_no_number_is_broken_at_any_width(width):
    numbers = ("100.0 (99.2–100.0)", "12.3 (10.1–14.8)", "45.6 (41.2–50.0)")
    columns = ("model", "accuracy %", "pgd:eps=16/255, step_size=1/255, steps=20 on source", "fgsm:eps=16/255 on another")
    table = Table(columns, (("a-net-with-a-rather-long-name-of-its-own", *numbers),), title="Title", notes=("a note",))
    text = format_table(table, "terminal", width)
    assert all(len(line) <= width for line in text.splitlines())
    assert all(number in text for number in numbers) and "Title" in text and "a note" in text


@pytest.mark.parametrize(("columns", "longest"), [("", 200), ("0", 200), ("60", 60), ("22", 22), ("5", 12)])
def test_the_width_is_that_of_the_environment_if_it_is_one(monkeypatch, columns, longest):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    note = " ".join(["word"] * 200)
    width = max(map(len, format_table(Table(("a",), (), notes=(note,)), "terminal").splitlines()))
    assert longest - 5 < width <= longest


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("width", [26, 200])
def test_a_terminal_shows_text_literally(text, width):
    shown = format_table(Table((text, text), ((text, text),), title=text, headings=(text,), notes=(text,)), "terminal", width)
    # Without a frame the head of the first column is left out.
    assert shown.count(text) == (7 if "┃" in shown else 6)


@pytest.mark.parametrize("text", [*NASTY, Code("--data a|b"), Code("`x` ``y"), "# a", "1. b", "- c", "+ d", "2) e"])
def test_markdown_shows_text_literally(text):
    table = Table((text, "b"), ((text, "c"),), title=text, caption=text, headings=(text,), notes=(text,))
    assert markdown_cells(table) == [text, "b", text, "", text, "c"]
    assert markdown_texts(table)[0] == f"{text} {text}" and markdown_texts(table)[-1] == text


printable = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" ")).map(str.strip)


@settings(max_examples=40)
@given(st.lists(st.tuples(printable, printable, st.builds(Code, printable.filter(bool))), min_size=1, max_size=4), printable)
def test_cell_text_survives_markdown(rows, head):
    table = Table((head, "b", "c"), tuple(rows))
    assert markdown_cells(table) == [head, "b", "c", *(cell for row in rows for cell in row)]


@settings(max_examples=40)
@given(st.lists(st.tuples(printable, printable), min_size=1, max_size=4), printable)
def test_cell_text_survives_html(rows, head):
    parsed = HTMLParser()
    found: list[str] = []
    parsed.handle_starttag = lambda tag, attrs: found.append("") if tag in ("td", "th") else None
    parsed.handle_data = lambda text: found.append(found.pop() + text) if text != "\n" else None
    parsed.feed(format_table(Table((head, "b"), tuple(rows)), "html"))
    assert found == [head, "b", *(cell for row in rows for cell in row)]


def test_another_output_is_refused():
    with pytest.raises(InputError, match="output is 'pdf': use terminal, markdown, latex, html"):
        format_table(Table(("a",), ()), "pdf")


def markdown_texts(table: Table) -> list[str]:
    """What a reader sees of each block of text."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(format_table(table, "markdown"))
    return ["".join(child.content for child in token.children) for token in tokens if token.type == "inline"]


def markdown_cells(table: Table) -> list[str]:
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(format_table(table, "markdown"))
    inside = (after for before, after in pairwise(tokens) if before.type in ("th_open", "td_open"))
    return ["".join(child.content for child in token.children) for token in inside]


@pytest.mark.parametrize("sign", ["\\", "&", "%", "$", "#", "_", "{", "}", "~", "^", "<", ">", "|"])
def test_no_sign_is_taken_for_latex(sign):
    text = format_table(Table(("", "b"), ((f"a{sign}b", "c"),)), "latex")
    line = next(line for line in text.splitlines() if line.startswith("a")).removesuffix(r" & c \\")
    # Without what is escaped and the commands that name a sign, nothing of the sign is left.
    assert sign not in re.sub(r"\\text\w+\{\}", "", line).replace("\\" + sign, "")


@pytest.mark.parametrize(("text", "escaped"), [("[1em] a", "{[}1em] a"), ("*", "{*}"), ("--data", "-{}-data"), ("a – b", "a -- b")])
def test_no_cell_is_an_argument_or_a_ligature_of_latex(text, escaped):
    assert rf"{escaped} \\" in format_table(Table(("a",), ((text,),)), "latex").splitlines()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b1m", r"\x9b1m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("caf\udce9", r"caf\xe9"),
        ("half \ud800", r"half \ud800"),
        ("a\0b", r"a\x00b"),
    ],
)
def test_a_character_that_shows_nothing_is_an_escape_in_every_output(text, escaped):
    table = Table(("a", "b"), ((text, "c"),), title=text, headings=(text,), notes=(text,))
    assert format_table(table, "terminal", 80).count(escaped) == 4
    assert markdown_cells(table) == ["a", "b", escaped, "", escaped, "c"]
    assert format_table(table, "html").count(escaped) == 4
    tex = format_table(table, "latex").replace(r"\textbackslash{}", "\\").replace("{[}", "[")
    assert tex.count(escaped) == 4
    for output in ("terminal", "markdown", "html", "latex"):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", format_table(table, output))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": (("a",),)}, "1 cells in a row, but the table has 2 columns"),
        ({"groups": (("g", 3),)}, "4 columns under groups, but the table has 2 columns"),
        ({"align": "l"}, "1 letters in align, but the table has 2 columns"),
        ({"headings": ("x", "y")}, "2 headings for 1 rows: pass one for each row, or none"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        Table(**{"columns": ("a", "b"), "rows": (("c", "d"),), **change})


def test_only_the_terminal_needs_rich(monkeypatch):
    for name in ["rich", *(name for name in sys.modules if name.startswith("rich."))]:
        monkeypatch.setitem(sys.modules, name, None)
    assert all(format_table(TABLE, output) for output in ("markdown", "latex", "html"))
    with pytest.raises(ImportError):
        format_table(TABLE, "terminal")
