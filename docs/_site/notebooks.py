"""The pages of the lecture as notebooks to download."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from sphinx.application import Sphinx

LECTURE = Path(__file__).parents[1] / "lecture"
ARCHIVE = "lecture.zip"
LINK = re.compile(r"(?<=\]\()([\w-]+)\.md(?=\))")
"""The target of a link from one page of the lecture to another."""
TITLE = re.compile(r"^# .*\n", re.MULTILINE)


def pages() -> list[Path]:
    """The pages that are notebooks: their names begin with their numbers."""
    return sorted(LECTURE.glob("[0-9]*.md"))


def notebook(page: Path) -> nbformat.NotebookNode:
    """The notebook of a page. Its links lead to the other notebooks."""
    made = jupytext.read(page, fmt="md:myst")
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # the same in every build
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1.ipynb", cell.source)
    nbformat.validate(made)
    return made


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the notebooks beside the pages, and an archive of them all."""
    if failure is not None or app.builder.format != "html":
        return
    folder = app.outdir / LECTURE.name
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        for page in pages():
            path = folder / f"{page.stem}.ipynb"
            nbformat.write(notebook(page), path)
            archive.write(path, f"{LECTURE.name}/{path.name}")


def link(app: Sphinx, name: str, text: list[str]) -> None:
    """Put a link to the notebook below the title of each page, and one to the archive on the first page."""
    here = Path(name)
    if here.parent.name != LECTURE.name:
        return
    if here.name == "index":
        file, words = ARCHIVE, "Download all pages as notebooks"
    else:
        file, words = f"{here.name}.ipynb", "Download this page as a notebook"
    text[0] = TITLE.sub(rf'\g<0>\n<a class="notebook" href="{file}" download>{words}</a>\n', text[0], count=1)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the links when a page is read, and what they lead to when all is built."""
    app.connect("source-read", link)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
