"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import prograd

sys.path.insert(0, str(Path(__file__).parent / "_site"))  # the extensions of this site

import notebooks

project = "prograd"
author = "The prograd developers"
copyright = author  # noqa: A001 -- Sphinx's own name
version = release = prograd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx_copybutton",
    # the site's own, from _site
    "catalogue",
    "docstrings",
    "mathematics",
    "notebooks",
    "sources",
]
exclude_patterns = ["_build", "_site", "_static"]

nitpicky = True
smartquotes = False  # "auto" is what one types

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

myst_enable_extensions = ["amsmath", "attrs_block", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Pages with the header of a notebook are executed, and an exception in one of them is an error of the build.
nb_execution_mode = "force"
os.environ["JUPYTER_PATH"] = sys.path[0]  # they run in the environment of the build, not in a kernel of the user's
nb_execution_raise_on_error = True
nb_execution_timeout = 60
nb_merge_streams = True
nb_output_stderr = "warn"  # what a page warns of is an error, too
nb_render_markdown_format = "myst"  # of outputs: tables with formulas

html_theme = "pydata_sphinx_theme"
html_title = "prograd"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_version_warning_banner": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        **{f"lecture/{page.stem}": [] for page in notebooks.pages()},  # their code needs the width
    },
}
html_sidebars = {"catalogue": [], "install": []}
html_show_sourcelink = False

copybutton_exclude = ".linenos, .gp, .go"  # prompts and outputs
