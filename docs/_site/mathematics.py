"""MathJax from an installed package, so that pages show their equations without a network."""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

SCRIPT = "tex-svg.js"  # one file: with its glyphs as paths, it loads no fonts
"""The build of MathJax."""


def copy(app: Sphinx, failure: Exception | None) -> None:
    """Copy MathJax to the site."""
    if failure is None and app.builder.format == "html":
        (script,) = (path for path in files("sphinx-mathjax-offline") or () if path.name == SCRIPT)
        shutil.copy(Path(str(script.locate())), app.outdir / "_static" / SCRIPT)


def setup(app: Sphinx) -> dict[str, Any]:
    """Use it in place of the one on a content delivery network."""
    app.config.mathjax_path = SCRIPT
    app.config.mathjax3_config = {"tex": {"tags": "ams"}}
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
