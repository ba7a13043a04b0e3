"""Fill the page: one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any

from defective.files import write_text
from defective.tables import format_table
from defective.text import visible


def write_page(path: Path, *, template: str = "evaluation.html.j2", **content: Any) -> None:
    """Render a template with ``content``, as :func:`render`, and write it whole."""
    write_text(path, render(template, **content))


def render(template: str, **content: Any) -> str:
    """Fill a template.

    Args:
        template: Its name.
        content: What the template names; all of it has to be given.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup

    templates = Environment(
        loader=PackageLoader("defective.report", "."),
        undefined=StrictUndefined,
        finalize=_shown,
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(html=lambda table: Markup(format_table(table, "html")), **content)


def _shown(value: Any) -> Any:
    """Text as a page may hold it: names may have control characters, and bytes that no file in UTF-8 takes."""
    return type(value)(visible(value, keep="\n\t\r")) if isinstance(value, str) else value
