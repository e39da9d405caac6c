"""Links from a page to files outside `docs` lead to pages with their text: the site works without the repository."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = Path("_generated") / "source"
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)(?=\))")
"""The target of a link that begins with `../`."""


def source(page: Path, target: str) -> Path | None:
    """The file or folder outside `docs` that `page` links to as `target`, if it does."""
    path = (page.parent / target).resolve()
    return None if path.is_relative_to(DOCS) or not path.exists() else path.relative_to(ROOT)


def files(folder: Path) -> Iterator[Path]:
    """The files of a folder, relative to the root, without what is hidden or made by a command."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) or ".egg-info" in part for part in parts):
            yield path.relative_to(ROOT)


def markup(path: Path) -> str:
    """The page of one file, or the list of a folder's files."""
    head = f"---\norphan: true\nnosearch: true\n---\n\n# `{path}`\n\n"
    if (ROOT / path).is_dir():
        return head + "".join(f"- [`{file}`](/{PAGES / file}.md)\n" for file in files(ROOT / path))
    try:
        language = get_lexer_for_filename(path.name).aliases[0]
    except ClassNotFound:
        language = "text"
    return f"{head}```{{literalinclude}} /../{path}\n:language: {language}\n```\n"


def write(app: Sphinx) -> None:
    """Write the pages that the site's pages link to."""
    pages = [page for page in DOCS.rglob("*.md") if not page.relative_to(DOCS).parts[0].startswith("_")]
    linked = {found for page in pages for target in LINK.findall(page.read_text()) if (found := source(page, target))}
    for folder in [path for path in linked if (ROOT / path).is_dir()]:
        linked.update(files(ROOT / folder))
    shutil.rmtree(DOCS / PAGES, ignore_errors=True)
    for path in linked:
        page = DOCS / PAGES / f"{path}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(markup(path))


def rewrite(app: Sphinx, name: str, text: list[str]) -> None:
    """Let a page's links lead to those pages."""
    page = DOCS / f"{name}.md"

    def replaced(link: re.Match[str]) -> str:
        path = source(page, link[0])
        return f"/{PAGES / path}.md" if path else link[0]

    text[0] = LINK.sub(replaced, text[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks which pages there are."""
    app.connect("builder-inited", write)
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
