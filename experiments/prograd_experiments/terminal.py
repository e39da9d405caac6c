"""What a person sees in the terminal: a bar while jobs run, then the table and the files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record

if TYPE_CHECKING:
    from prograd_experiments.collect import Collected  # it imports matplotlib, for which no job should wait

MOST_LINES = 200  # of a table in a terminal


class Bar(Protocol):
    """Tells how far a sweep has come."""

    def begin(self, point: str) -> None:
        """These jobs run now."""

    def end(self, jobs: int, outcome: str) -> None:
        """So many more jobs have ended."""


class _Lines:
    """For a file or a pipe: one line for each batch of jobs that ended."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done, self._point = console, total, 0, ""

    def begin(self, point: str) -> None:
        self._point = point

    def end(self, jobs: int, outcome: str) -> None:
        self._done += jobs
        text = f"[{self._done}/{self._total}] {self._point}: {outcome}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Live:
    """For a terminal. It draws between jobs only: a thread that draws while a job is timed would be timed with it."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._task = progress, progress.add_task("", total=total)

    def begin(self, point: str) -> None:
        self._progress.update(self._task, description=escape(point), refresh=True)

    def end(self, jobs: int, outcome: str) -> None:
        self._progress.update(self._task, advance=jobs, refresh=True)


@contextmanager
def progress(console: Console, total: int) -> Iterator[Bar]:
    """A bar in a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield _Lines(console, total)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as live:
        yield _Live(live, total)


def warn(console: Console, text: str) -> None:
    """Something that a person should know, though the work goes on."""
    console.print(f"[bold yellow]note[/] {escape(text)}", highlight=False, soft_wrap=True)


def show(console: Console, collected: Collected) -> None:
    """The question, its answer, the table, what failed, and where the files are."""
    experiment = collected.experiment
    console.print()
    console.print(escape(experiment.question), style="bold", highlight=False)
    console.print(escape(experiment.answer(collected.rows)), highlight=False)
    console.print()
    if len(collected.rows) > MOST_LINES:
        console.print(f"{len(collected.rows)} points are too many to list here: the table is in the files below.")
    else:
        show_table(console, experiment, collected.rows)
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in collected.unfinished:
        what = row["error"] or "the job did not end: it was killed, or it still runs"
        reasons.setdefault((row["status"], what), []).append(row["directory"])
    for (status, what), where in reasons.items():
        more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
        console.print(f"[bold red]{status}[/] {escape(where[0])}{more}: {escape(what)}", highlight=False)
    for file in collected.unreadable:
        console.print(f"[bold red]left out[/] {escape(str(file.path))}: {escape(file.reason)}", highlight=False)
    show_files(console, collected.files)


def show_table(console: Console, experiment: Experiment, rows: Sequence[Row]) -> None:
    """The experiment's own table; a rule wherever the first column changes."""
    heading, *lines = experiment.table(rows).texts()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for name in heading:
        table.add_column(escape(name), justify="right", overflow="fold")
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        table.add_row(*map(escape, line), end_section=after is not None and after[0] != line[0])
    # A file has lines as long as they have to be.
    natural = Measurement.get(console, console.options.update(width=10_000), table).maximum
    wide = console if console.is_terminal else Console(file=console.file, width=max(natural, console.width))
    wide.print(table)
    console.print(experiment.caption(""), style="dim", highlight=False)


def show_record(console: Console, experiment: Experiment, record: Record, directory: Path) -> None:
    """The table of one job alone, or its traceback."""
    row = experiment.row(record) | {"directory": str(directory)}
    if record.get("error"):
        console.print(record["error"]["traceback"], markup=False, highlight=False, soft_wrap=True)
    else:
        show_table(console, experiment, [row])
    show_files(console, [directory / "record.json"])


def show_files(console: Console, files: Sequence[Path]) -> None:
    """One path a line, never wrapped, so that it can be copied."""
    console.print()
    for file in files:
        console.print(f"  {escape(str(file))}", style="cyan", highlight=False, soft_wrap=True)


def outcome_of(path: Path) -> str:
    """The status in a record, for the line that says that its job ended."""
    try:
        return str(json.loads(path.read_bytes())["status"])
    except (OSError, ValueError, KeyError):
        return "no record"
