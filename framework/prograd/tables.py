"""What the `prograd` command shows in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLE = {"ok": "green", "passed": "green", "broken": "red", "failed": "red"}


class Result(Protocol):
    """What the kit found on one layer or loss."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    @property
    def kind(self) -> str:
        """A layer, a loss, or a plugin that did not load."""

    @property
    def distribution(self) -> str:
        """Who brings it."""

    @property
    def status(self) -> str:
        """Whether it passed, failed, or is broken."""

    @property
    def examples(self) -> Sequence[Mapping[str, Any]]:
        """What came of each check, example by example."""

    def count(self, status: str) -> int:
        """How many checks ended so."""


def show_plugins(rows: Sequence[Mapping[str, str | None]]) -> None:
    """The table of `prograd plugins`, and below it why what is broken is broken."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)  # what one would type is never cut short
    for column in ("kind", "distribution", "version", "status"):
        table.add_column(column)
    for row in rows:
        cells = [row[key] or "" for key in ("name", "kind", "distribution", "version")]
        table.add_row(*map(Text, cells), _status(row["status"] or ""))
    console = Console()
    console.print(table)
    for row in rows:
        if row["error"]:
            console.print()
            console.print(Text(f"{row['name']} of {row['distribution']} {row['version']} is broken:", style="red"))
            console.print(Text(_indented(row["error"])), soft_wrap=True)


def show_checks(results: Sequence[Result]) -> None:
    """The table of `prograd check`, and below it each check that failed."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)  # what one would type is never cut short
    table.add_column("kind")
    table.add_column("distribution")
    for column in ("examples", "passed", "failed", "skipped"):
        table.add_column(column, justify="right")
    table.add_column("status")
    for result in results:
        counts = [str(result.count(status)) for status in ("passed", "failed", "skipped")]
        cells = [result.name, result.kind, result.distribution, str(len(result.examples)), *counts]
        table.add_row(*map(Text, cells), _status(result.status))
    console = Console()
    console.print(table)
    for result in results:
        for example in result.examples:
            failures = [check for check in example["checks"] if check["status"] == "failed"]
            if failures:
                console.print()
                console.print(Text(f"{result.name}: {example['subject']}", style="red"), soft_wrap=True)
            for check in failures:
                console.print(Text(_indented(f"{check['name']}: {check['message']}")), soft_wrap=True)
    wrong = sum(result.status != "passed" for result in results)
    verdict = f"{wrong} of {len(results)} not conforming" if wrong else f"all {len(results)} conform"
    console.print()
    console.print(Text(verdict, style="red" if wrong else "green"))


def show_plan(title: str, lines: Sequence[Sequence[str]], chosen: str) -> None:
    """The table of `prograd plan`, the quickest mode first, and the products of that one with their brackets."""
    table = Table(box=None, pad_edge=False)
    for k, heading in enumerate(lines[0]):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for k, line in enumerate(lines[1:]):
        table.add_row(*(Text(cell, style="" if k else "bold") for cell in line))
    console = Console()
    console.print(Text(title), soft_wrap=True)
    console.print(table)
    console.print(Text(chosen), soft_wrap=True)


def _status(status: str) -> Text:
    return Text(status, style=_STYLE[status])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
