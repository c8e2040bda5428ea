"""Settings of the site: `make site` builds it from this folder, warnings are errors."""

import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generated  # noqa: E402

project = "flowpot"
author = "the flowpot developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = installed("flowpot")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "formulas",
    "sphinx.ext.viewcode",
    "sphinx.ext.intersphinx",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "results/README.md"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository
html_theme = "furo"
html_title = "flowpot"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
intersphinx_mapping: dict[str, Any] = {}  # the build needs no network


def setup(app: Any) -> None:
    """Write the pages that are made from the code and the tests."""
    app.connect("builder-inited", lambda _: generated.write(HERE / "reference"))
