"""The lecture: its pages are notebooks that run on their own, and each exercise has a solution that proves itself.

The build of the site runs them, so no cell is run here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import prograd
from tests.helpers.documents import ROOT, Block, blocks

LECTURE = ROOT / "docs" / "lecture"
PAGES = sorted(LECTURE.glob("[0-9]*.md"))
CELL = "{code-cell} ipython3"
CONFIGURATION = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)

INSTALLED = {
    "prograd",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "sklearn",
    "IPython",
    "threadpoolctl",
    *sys.stdlib_module_names,
}
"""What a notebook may import: it runs where `prograd[experiments]` and Jupyter are installed."""

SHOWN = {"recursions"}
"""Modules that are no interface, but whose source the lecture shows."""

MEASURED = re.compile(r"\d+(\.\d+)?( ?%| ?[nµm]s\b| seconds?\b| times (as|slower|faster))")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def cells(page: Path) -> list[Block]:
    """The code of the page's cells, without their configuration."""
    return [
        Block(block.language, CONFIGURATION.sub("", block.text), block.line)
        for block in blocks(page)
        if block.language == CELL
    ]


def nodes(page: Path) -> Iterator[ast.AST]:
    for cell in cells(page):
        yield from ast.walk(ast.parse(cell.text))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_pages_are_numbered_and_listed_in_their_order() -> None:
    assert [int(page.stem.partition("-")[0]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    first = (LECTURE / "index.md").read_text()
    (listed,) = [block.text.split() for block in blocks(LECTURE / "index.md") if block.language == "{toctree}"]
    assert [name for name in listed if not name.startswith(":")] == [page.stem for page in PAGES]
    titles = [re.search(r"^# (.*)$", prose(page), re.MULTILINE)[1] for page in PAGES]
    assert re.findall(r"^\| \[(.*)\]\((.*)\) \|", first, re.MULTILINE) == [
        (title, page.name) for title, page in zip(titles, PAGES, strict=True)
    ]


@by_page
def test_page_is_a_notebook(page: Path) -> None:
    header = page.read_text().partition("\n---\n")[0]
    assert "format_name: myst" in header
    assert "name: python3" in header
    assert cells(page)


@by_page
def test_notebook_imports_what_is_installed(page: Path) -> None:
    imported = {alias.name for node in nodes(page) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes(page) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= INSTALLED


@by_page
def test_lecture_uses_public_names(page: Path) -> None:
    used = {
        node.attr
        for node in nodes(page)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "prograd"
    }
    for node in nodes(page):
        if isinstance(node, ast.ImportFrom) and node.module == "prograd":
            used |= {alias.name for alias in node.names}
    assert used <= {*prograd.__all__, *SHOWN}


@by_page
def test_no_figure_is_written_by_hand(page: Path) -> None:
    assert [found[0] for found in MEASURED.finditer(prose(page))] == []


def test_measured_figures_would_be_found() -> None:
    for text in ("takes 12 ms", "3.5 µs", "800 times as long", "98.6% are right", "after 2 seconds"):
        assert MEASURED.search(text)


def test_every_exercise_has_an_answer_to_set_and_a_solution() -> None:
    (page,) = [page for page in PAGES if page.stem.endswith("exercises")]
    text = page.read_text()
    starts = [text.count("\n", 0, found.start()) for found in re.finditer(r"^## ", text, re.MULTILINE)]
    assert len(starts) >= 8
    for start, stop in pairwise([*starts, text.count("\n") + 1]):
        asked, solution = (block for block in blocks(page) if block.language == CELL and start < block.line <= stop)
        assert "..." in asked.text
        assert "hide-cell" in solution.text, "folded on the page"
        assert "source_hidden: true" in solution.text, "folded in the notebook"
        proofs = [node for node in ast.walk(ast.parse(CONFIGURATION.sub("", solution.text))) if proves(node)]
        assert proofs, f"line {solution.line}: the solution has no assert"


def proves(node: ast.AST) -> bool:
    """Whether this fails if an answer is wrong: an assert, or the conformance kit."""
    return isinstance(node, ast.Assert) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check_layer"
    )
