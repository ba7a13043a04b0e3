"""Fill the page: one HTML file that needs nothing else."""

from functools import partial
from pathlib import Path
from typing import Any

from defective.files import write_whole
from defective.tables import format_table
from defective.text import visible


def write_page(path: Path, *, template: str = "page.html.j2", **content: Any) -> None:
    """Render a template with ``content`` and write it whole.

    Args:
        path: The HTML file.
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
    html = templates.get_template(template).render(html=lambda table: Markup(format_table(table, "html")), **content)
    write_whole(path, partial(Path.write_text, data=html, encoding="utf-8"))


def _shown(value: Any) -> Any:
    """Text as a page may hold it: names may have control characters, and bytes that no file in UTF-8 takes."""
    return type(value)(visible(value, keep="\n\t\r")) if isinstance(value, str) else value
