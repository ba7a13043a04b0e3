"""Fill the page: one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any

from defective.files import write_whole


def write_page(path: Path, **content: Any) -> None:
    """Render ``page.html.j2`` with ``content`` and write it whole.

    Args:
        path: The HTML file.
        content: ``title``, ``lead``, ``columns``, ``rows``, ``notes``, ``figures``, ``examples``, ``masks``, ``provenance``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=PackageLoader("defective.report", "."),
        undefined=StrictUndefined,
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = templates.get_template("page.html.j2").render(**content)
    write_whole(path, lambda temporary: temporary.write_text(html, encoding="utf-8"))
