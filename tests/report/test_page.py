import re

import pytest
from jinja2 import UndefinedError

from defective.report.galleries import Example, MaskPicture, Prediction
from defective.report.page import write_page
from defective.tables import Cell, Table

PNG = "data:image/png;base64,A{}=="
NASTY = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b")


def content(text: str) -> dict:
    predictions = (Prediction(text, text, False), Prediction("other", "disc", True))
    return {
        "title": text,
        "lead": text,
        "measured": Table((text, text), ((text, Cell(text, text)),), notes=(text,)),
        "figures": {text: "<svg><text>curve</text></svg>"},
        "about_examples": text,
        "examples": [Example(text, PNG.format("A"), PNG.format("B"), PNG.format("C"), predictions)],
        "about_masks": text,
        "masks": [MaskPicture(text, text, text, 10, 100, PNG.format("D"))],
        "provenance": [text],
        "next_steps": [(text, text)],
    }


@pytest.fixture
def page(tmp_path):
    def write(text: str) -> str:
        write_page(tmp_path / "page.html", **content(text))
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    return write


def test_everything_given_is_on_the_page_which_needs_nothing_else(page):
    html = page("A word")
    assert html.count("A word") == 25 and "10 of 100" in html
    assert "<svg><text>curve</text></svg>" in html
    assert len(re.findall(r'src="data:image/png;base64,A[ABCD]=="', html)) == 4
    assert re.search(r'class="wrong">✗ A word', html) and re.search(r'class="right">✓ disc', html)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|<script""", html)
    assert 'name="viewport"' in html and "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("name", NASTY)
def test_names_cannot_become_markup(page, name):
    html = page(name)
    assert name not in html and "<script" not in html and "<img src=x" not in html


def test_forgotten_content_is_an_error_and_leaves_no_page(tmp_path):
    for missing in content(""):
        with pytest.raises(UndefinedError, match=missing):
            write_page(tmp_path / "page.html", **{key: value for key, value in content("").items() if key != missing})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown"), [("caf\udce9\x1b[31m", r"caf\xe9\x1b[31m"), ("half \ud800 & more", r"half \ud800 &amp; more")]
)
def test_a_name_that_is_no_text_is_shown_by_its_bytes(page, name, shown):
    assert f"<title>{shown}</title>" in page(name)
