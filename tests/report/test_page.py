import re

import pytest
from jinja2 import UndefinedError

from defective.report.page import write_page

CONTENT = {
    "title": "Title",
    "lead": "Lead.",
    "columns": ("measured", "plain"),
    "rows": [{"name": "accuracy", "cells": [{"value": "12.3", "interval": "10.0-14.9"}]}],
    "notes": ["A note."],
    "figures": [{"svg": "<svg><text>curve</text></svg>", "caption": "A caption."}],
    "examples_note": "Images.",
    "examples": [
        {
            "label": "disc",
            "original": "data:image/png;base64,AA==",
            "perturbation": "data:image/png;base64,AB==",
            "adversarial": "data:image/png;base64,AC==",
            "verdicts": [{"net": "plain", "says": "ring", "right": False}, {"net": "other", "says": "disc", "right": True}],
        }
    ],
    "masks_note": "Masks.",
    "masks": [{"site": "stem.norm", "live": "10", "total": "100", "picture": "data:image/png;base64,AD=="}],
    "provenance": ["One run."],
}


@pytest.fixture
def page(tmp_path):
    def write(**changes) -> str:
        write_page(tmp_path / "page.html", **CONTENT | changes)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    return write


def test_everything_given_is_on_the_page(page):
    html = page()
    for text in ("Title", "Lead.", "12.3", "10.0-14.9", "A note.", "A caption.", "disc", "stem.norm", "10 of 100", "One run."):
        assert text in html
    assert "<svg><text>curve</text></svg>" in html
    assert len(re.findall(r'src="data:image/png;base64,A[ABCD]=="', html)) == 4
    assert re.search(r'class="wrong">✗ ring', html) and re.search(r'class="right">✓ disc', html)


def test_the_page_needs_nothing_else(page):
    html = page()
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|<script""", html)
    assert 'name="viewport"' in html and "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b"])
def test_names_cannot_become_markup(page, name):
    verdict = {"net": name, "says": name, "right": True}
    html = page(
        title=name,
        lead=name,
        columns=(name, name),
        rows=[{"name": name, "cells": [{"value": name, "interval": name}]}],
        examples=[CONTENT["examples"][0] | {"label": name, "verdicts": [verdict]}],
        masks=[CONTENT["masks"][0] | {"site": name}],
        provenance=[name],
    )
    assert name not in html
    assert "<script" not in html and "<img src=x" not in html


@pytest.mark.parametrize("missing", sorted(CONTENT))
def test_forgotten_content_is_an_error_and_leaves_no_page(tmp_path, missing):
    content = {key: value for key, value in CONTENT.items() if key != missing}
    with pytest.raises(UndefinedError, match=missing):
        write_page(tmp_path / "page.html", **content)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_shown_by_its_bytes(page):
    html = page(title="caf\udce9\x1b[31m", lead="half \ud800 & more\nlines")
    assert r"<title>caf\xe9\x1b[31m</title>" in html and "half \\ud800 &amp; more\nlines" in html
