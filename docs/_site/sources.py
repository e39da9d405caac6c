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
INCLUDED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""The files outside `docs` that pages of the site include."""

LINK = re.compile(r"(?<=\]\()([\w./-]+)(?=[#)])")
"""The target of a link to a file."""


def address(page: Path, target: str) -> str | None:
    """Where the site has what `page` links to as `target`; None where there is no such file."""
    path = (page.parent / target).resolve()
    if not path.is_relative_to(ROOT) or not path.exists():
        return None
    name = str(path.relative_to(ROOT))
    if name in INCLUDED:
        return f"/{INCLUDED[name]}"
    if path.is_relative_to(DOCS):
        return f"/{path.relative_to(DOCS)}"
    return f"/{PAGES / name}.md"


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


def texts() -> Iterator[Path]:
    """The texts that become pages."""
    yield from (ROOT / name for name in INCLUDED)
    yield from (path for path in DOCS.rglob("*.md") if not path.relative_to(DOCS).parts[0].startswith("_"))


def write(app: Sphinx) -> None:
    """Write the pages that the site's pages link to."""
    found = {address(text, target) for text in texts() for target in LINK.findall(text.read_text())}
    start = f"/{PAGES}/"
    linked = {Path(one.removeprefix(start).removesuffix(".md")) for one in found if one and one.startswith(start)}
    for folder in [path for path in linked if (ROOT / path).is_dir()]:
        linked.update(files(ROOT / folder))
    shutil.rmtree(DOCS / PAGES, ignore_errors=True)
    for path in linked:
        page = DOCS / PAGES / f"{path}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(markup(path))


def rewritten(text: str, page: Path) -> str:
    """The text with links to where the site has what they lead to."""
    return LINK.sub(lambda link: address(page, link[0]) or link[0], text)


def read(app: Sphinx, name: str, text: list[str]) -> None:
    """Rewrite the links of a page."""
    text[0] = rewritten(text[0], DOCS / f"{name}.md")


def include(app: Sphinx, path: Path, parent: str, text: list[str]) -> None:
    """Rewrite the links of a file that a page includes."""
    text[0] = rewritten(text[0], DOCS / path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks which pages there are."""
    app.connect("builder-inited", write)
    app.connect("source-read", read)
    app.connect("include-read", include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
