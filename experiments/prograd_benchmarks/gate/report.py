"""What the gate found, as a table in the terminal, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd.units import seconds
from prograd_benchmarks.gate.decision import ACCEPT, EXACT, LIMITS, Finding, Judgement, Verdict, unused, verdict

COLUMNS = ("benchmark", "base", "HEAD", "HEAD / base", "finding")

_STYLE = {
    Finding.REGRESSION: "bold red",
    Finding.FAILED: "red",
    Finding.UNCLEAR: "yellow",
    Finding.MOVED: "yellow",
    Finding.ACCEPTED: "magenta",
    Finding.BETTER: "green",
}

_QUIET = frozenset({Finding.FINE, Finding.UNJUDGED})
"""Findings that a pull request's comment folds away."""

_SAID = {
    Verdict.FINE: ("fine: nothing costs more than it may", "green"),
    Verdict.REGRESSION: ("regression: see the rows that say so", "bold red"),
    Verdict.UNDECIDED: ("could not decide: see the message, or the rows that failed", "yellow"),
    Verdict.BUSY: ("too busy a machine: see the rows that are unclear or moved, and run the gate again", "yellow"),
}


@dataclass(frozen=True)
class Report:
    """The judgements about two revisions, which `base` and `head` name; `message` says why there are none."""

    base: str
    head: str
    found: Sequence[Judgement] = ()
    removed: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    message: str = ""

    @property
    def verdict(self) -> Verdict:
        """Undecided if there is a message."""
        return Verdict.UNDECIDED if self.message else verdict(self.found)

    def remarks(self) -> Iterator[str]:
        """One line for each benchmark that went, was renamed or has a count that grew, then the notes."""
        for name in self.removed:
            yield f"{name}: removed; only the base's suite has it, and nothing replaces it"
        for old, new in self.renamed.items():
            yield f"{old}: renamed to {new}, which is measured at both revisions"
        grown = (one for one in self.found if one.finding is Finding.REGRESSION and one.unit in EXACT)
        for name in dict.fromkeys(one.name.partition("(")[0] for one in grown):
            yield f"`{ACCEPT} {name}`: this line in the message of a commit accepts that the count grows"
        yield from self.notes


def unused_lines(accepted: Iterable[str], found: Sequence[Judgement]) -> list[str]:
    """What to say about lines of commit messages that accept nothing."""
    names = unused(accepted, found)
    return [f"{ACCEPT} {name}: expected the name of a count that was measured, got none of this name" for name in names]


def show(report: Report, console: Console) -> None:
    """Prints the table, the remarks, and the verdict as the last line."""
    if report.found:
        table = Table(box=None, pad_edge=False)
        table.add_column(COLUMNS[0], overflow="fold")
        for column in COLUMNS[1:-1]:
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column(COLUMNS[-1])
        for finding, cells in _rows(report.found):
            *values, said = map(Text, cells)
            said.stylize(_STYLE.get(finding, ""))
            table.add_row(*values, said)
        console.print(table)
    for remark in report.remarks():
        console.print(remark, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if report.message:
        console.print(report.message, markup=False, highlight=False, soft_wrap=True)
    text, style = _SAID[report.verdict]
    console.print(Text(f"bench-gate: {text} (exit status {report.verdict.value})", style=style), soft_wrap=True)


def markdown(report: Report) -> str:
    """A comment for a pull request: the verdict, the rows that matter, the remarks, and all other rows folded away."""
    parts = [f"### Benchmarks: {report.verdict.name.lower()}", f"`{report.head}` against `{report.base}`."]
    if report.message:
        parts.append(f"```text\n{report.message}\n```")
    rows = list(_rows(report.found))
    if loud := [cells for finding, cells in rows if finding not in _QUIET]:
        parts.append(_table(loud))
    if remarks := list(report.remarks()):
        parts.append("\n".join(f"- {_escaped(remark)}" for remark in remarks))
    if quiet := [cells for finding, cells in rows if finding in _QUIET]:
        parts.append(
            f"<details><summary>{len(quiet)} more, fine or not judged</summary>\n\n{_table(quiet)}\n\n</details>"
        )
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> str:
    """An object with the verdict, its exit status, every judgement, and what else the table says."""
    content = {
        "verdict": report.verdict.name.lower(),
        "exit_status": report.verdict.value,
        "base": report.base,
        "head": report.head,
        "message": report.message or None,
        "benchmarks": [
            {
                "name": one.name,
                "unit": one.unit,
                "base": one.base,
                "head": one.head,
                "factor": one.factor if one.factor is not None and math.isfinite(one.factor) else None,
                "finding": one.finding.value,
                "why": one.why or None,
            }
            for one in report.found
        ],
        "removed": list(report.removed),
        "renamed": dict(report.renamed),
        "notes": list(report.notes),
    }
    return json.dumps(content, indent=2) + "\n"


FORMS: Mapping[str, Callable[[Report], str]] = {"markdown": markdown, "json": as_json}
"""The forms in which a report can be written to a file."""


def _rows(found: Sequence[Judgement]) -> Iterator[tuple[Finding, list[str]]]:
    """One row for each benchmark and finding, with the parameters for which it is worst."""
    for benchmark, group in groupby(found, key=lambda judgement: judgement.name.partition("(")[0]):
        by_finding: dict[tuple[Finding, str], list[Judgement]] = {}
        for judgement in group:
            by_finding.setdefault((judgement.finding, judgement.why), []).append(judgement)
        for (finding, why), members in by_finding.items():
            worst = max(members, key=lambda judgement: judgement.factor or 0.0)
            parameters = worst.name.removeprefix(benchmark)
            name = worst.name if len(members) == 1 else f"{benchmark}: {len(members)}, the most at {parameters}"
            factor = "" if worst.factor is None else f"{worst.factor:.3f}"
            said = f"{finding.value}: {why}" if why else finding.value
            yield finding, [name, _human(worst.base, worst.unit), _human(worst.head, worst.unit), factor, said]


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [COLUMNS, ("---", "--:", "--:", "--:", "---"), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escaped(text: str) -> str:
    for character in "\\|*_`<":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")


def _human(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "seconds":
        return seconds(value)
    return f"{value:.4g}" if unit in LIMITS else f"{value:,.0f}"
