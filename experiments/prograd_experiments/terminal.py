"""The output in the terminal: a bar while jobs run, then the answer, the table and the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table as Grid

from prograd.commands.consoles import fitting
from prograd.units import seconds
from prograd_experiments.experiment import Experiment, Progress
from prograd_experiments.records import Record
from prograd_experiments.rows import Row, Table, table

if TYPE_CHECKING:
    from prograd_experiments.collect import Collected  # imports matplotlib, which no job should wait for

MOST_LINES = 200  # of a table in a terminal
BETWEEN_LINES = 2.0  # seconds, at least, of progress where there is no terminal


class Bar:
    """Shows how far a sweep has come: as a bar in a terminal, as one line for each batch of jobs elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done, self._points = console, total, 0, ""
        parts = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        # It draws only between jobs: a thread that draws during a job would disturb its timings.
        self.live = Bars(
            *parts,
            TextColumn("{task.description}"),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._id = self.live.add_task("", total=total)

    def begin(self, points: str) -> None:
        """These points run now."""
        self._points = points
        self.live.update(self._id, description=escape(points), refresh=True)

    def end(self, statuses: Sequence[str]) -> None:
        """The jobs of these points have ended."""
        self._done += len(statuses)
        self.live.update(self._id, advance=len(statuses), refresh=True)
        if not self._console.is_terminal:
            text = f"[{self._done}/{self._total}] {self._points}: {', '.join(statuses)}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progressing(console: Console) -> Iterator[Progress]:
    """Shows how far a job has come and the time that is left: in a terminal as a bar, elsewhere in a line at times.

    Nothing is drawn before the job tells of its progress: a thread that draws would disturb timings.
    """
    if not console.is_terminal:
        yield Lines(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
        return
    parts = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    bar = Bars(*parts, TextColumn("{task.description}"), console=console, transient=True)
    task = bar.add_task("", total=None)

    def show_progress(done: int, total: int, how: str) -> None:
        bar.start()
        bar.update(task, completed=done, total=total, description=escape(how))

    try:
        yield show_progress
    finally:
        bar.stop()


def progress_in_a_sweep(console: Console, point: str, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Shows how far one of a sweep's jobs has come: in a terminal in place of the sweep's bar, elsewhere in lines."""

    def write(line: str) -> None:
        if console.is_terminal:
            # The bar, which another process draws between jobs, is one line, and its next drawing clears the line.
            console.file.write(f"\r\x1b[2K{fitting(f'{line}; {point}', console.encoding)[: console.width - 1]}")
            console.file.flush()
        else:
            console.print(f"{line}; {point}", markup=False, highlight=False, soft_wrap=True)

    return Lines(write, clock)


class Lines:
    """Progress in a line of text now and then, with the time that is left."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._first: tuple[float, int] | None = None
        self._said = clock()

    def __call__(self, done: int, total: int, how: str) -> None:
        """A job that goes on from a checkpoint has done something before, so that the first call begins the count."""
        now = self._clock()
        began, before = self._first = self._first or (now, done)
        if now - self._said < BETWEEN_LINES or done in {before, total}:
            return
        left = seconds((now - began) / (done - before) * (total - done))
        self._write(f"[{done}/{total}] {left} left, {how}")
        self._said = now


def warn(console: Console, text: str) -> None:
    """Prints a note: something to know, though the work continues."""
    console.print(f"[bold yellow]note[/] {escape(text)}", highlight=False, soft_wrap=True)


def tell(console: Console, text: str) -> None:
    """Prints what was read, if there is something to tell."""
    if text:
        console.print(escape(text), highlight=False, soft_wrap=True)


def show(console: Console, collected: Collected) -> None:
    """Prints the question, its answer, the table, what failed, and where the files are."""
    experiment = collected.experiment
    console.print()
    console.print(escape(experiment.question), style="bold", highlight=False)
    console.print(escape(experiment.answer(collected.rows)), highlight=False)
    console.print()
    if len(collected.rows) > MOST_LINES:
        console.print(f"{len(collected.rows)} points are too many to list here: the table is in the files below.")
    else:
        _show_table(console, experiment, collected.table, collected.rows)
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in collected.unfinished:
        why = row["error"] or "the job did not end: it was killed, or it still runs"
        reasons.setdefault((row["status"], why), []).append(row["directory"])
    for (status, why), where in reasons.items():
        more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
        console.print(f"[bold red]{status}[/] {escape(where[0])}{more}: {escape(why)}", highlight=False)
    for file in collected.unreadable:
        console.print(f"[bold red]left out[/] {escape(str(file.path))}: {escape(file.reason)}", highlight=False)
    _show_files(console, collected.files)


def show_record(console: Console, experiment: Experiment, record: Record, directory: Path) -> None:
    """Prints the table of a single job, or its traceback."""
    if record.get("error"):
        console.print(record["error"]["traceback"], markup=False, highlight=False, soft_wrap=True)
    else:
        columns = experiment.columns([record])
        rows = [experiment.row(columns, record, str(directory))]
        _show_table(console, experiment, table(columns, rows), rows)
    _show_files(console, [directory / "record.json"])


def _show_table(console: Console, experiment: Experiment, shown: Table, rows: Sequence[Row]) -> None:
    """A rule marks each change of the first column."""
    heading, *lines = ([fitting(cell, console.encoding) for cell in line] for line in shown.texts())
    _show_grid(console, heading, lines)
    console.print(experiment.caption(rows), style="dim", highlight=False)


def _show_grid(console: Console, heading: Sequence[str], lines: Sequence[Sequence[str]], *, ruled: bool = True) -> None:
    grid = Grid(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for name in heading:
        grid.add_column(escape(name), justify="right", overflow="fold")
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        grid.add_row(*map(escape, line), end_section=ruled and after is not None and after[0] != line[0])
    # The lines of a file may be as long as necessary.
    natural = Measurement.get(console, console.options.update(width=10_000), grid).maximum
    wide = console if console.is_terminal else Console(file=console.file, width=max(natural, console.width))
    wide.print(grid)


def show_lines(console: Console, heading: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Prints lines of texts below their headings."""
    texts = [[fitting(cell, console.encoding) for cell in line] for line in lines]
    _show_grid(console, heading, texts, ruled=False)


def _show_files(console: Console, files: Sequence[Path]) -> None:
    """One path on each line, never wrapped, so that it can be copied."""
    console.print()
    for file in files:
        console.print(f"  {escape(str(file))}", style="cyan", highlight=False, soft_wrap=True)
