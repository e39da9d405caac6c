"""What the gate says, for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from asv.util import human_value
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd_benchmarks.gate.decision import LIMITS, Finding, Row, Verdict

_STYLE = {
    Finding.REGRESSION: "bold red",
    Finding.FAILED: "red",
    Finding.UNCLEAR: "yellow",
    Finding.MOVED: "yellow",
    Finding.ACCEPTED: "magenta",
    Finding.BETTER: "green",
}

_SAID = {
    Verdict.FINE: ("fine: nothing costs more than it may", "green"),
    Verdict.REGRESSION: ("regression: see the rows in red", "bold red"),
    Verdict.UNDECIDED: ("could not decide: see the rows in yellow or red, or what stands above", "yellow"),
}


def show(found: Sequence[Row], console: Console) -> None:
    """One line for each benchmark and finding, with the point of its parameters where it is worst."""
    table = Table(box=None, pad_edge=False)
    table.add_column("benchmark", overflow="fold")
    for column in ("base", "HEAD", "HEAD / base"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("finding")
    for benchmark, points in groupby(found, key=lambda row: row.name.partition("(")[0]):
        by_finding: dict[tuple[Finding, str], list[Row]] = {}
        for row in points:
            by_finding.setdefault((row.finding, row.why), []).append(row)
        for (finding, why), rows in by_finding.items():
            worst = max(rows, key=lambda row: row.factor or 0.0)
            point = worst.name.removeprefix(benchmark)
            name = worst.name if len(rows) == 1 else f"{benchmark}: {len(rows)}, the most at {point}"
            said = f"{finding.value}: {why}" if why else finding.value
            table.add_row(*_cells(name, worst), Text(said, style=_STYLE.get(finding, "")))
    console.print(table)


def say(verdict: Verdict, console: Console) -> None:
    """The last line."""
    text, style = _SAID[verdict]
    console.print(Text(f"bench-gate: {text} (exit status {verdict.value})", style=style), soft_wrap=True)


def _cells(name: str, row: Row) -> list[Text]:
    factor = "" if row.factor is None else f"{row.factor:.3f}"
    return [Text(name), Text(_human(row.base, row.unit)), Text(_human(row.head, row.unit)), Text(factor)]


def _human(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "seconds":
        return str(human_value(value, unit))
    return f"{value:.4g}" if unit in LIMITS else f"{value:,.0f}"
