"""How Sphinx builds the site: ``make docs``."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

from defective import __version__
from docs.commands import command_reference

project, author = "defective", "the defective developers"
version = release = __version__
project_copyright = "2026, the defective authors"
# Options are written with two hyphens.
smartquotes = False
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes_style"), ("Shape", "params_style")]

html_theme = "furo"
html_title = f"defective {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


# Pages outside docs/ to the page that includes them.
_INCLUDED = {"../results/README.md": "result-files.md", "results/README.md": "result-files.md"}


def _filled(app: Sphinx, name: str, source: list[str]) -> None:
    if name == "commands":
        source[0] += command_reference()
    for page, including in _INCLUDED.items():
        source[0] = source[0].replace(f"]({page}", f"]({including}")


# MathML needs no script from another host, unlike MathJax. Its parentheses stretch by themselves.
def _inline_math(writer: Any, node: Any) -> None:
    writer.body.append(tex2mathml(_without_sizes(node)))
    raise SkipNode


def _math_block(writer: Any, node: Any) -> None:
    writer.body.append(f'<div class="math">{tex2mathml(_without_sizes(node), as_block=True)}</div>')
    raise SkipNode


def _without_sizes(node: Any) -> str:
    return re.sub(r"\\[bB]ig(?![a-z])", "", node.astext())


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline_math, None), (_math_block, None))
    app.connect("source-read", _filled)
    return {"parallel_read_safe": True}
