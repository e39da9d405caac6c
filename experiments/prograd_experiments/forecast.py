"""A dry run: every point with its standing and the time that it will take, and nothing runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from prograd.units import seconds
from prograd_experiments import jobs, records, terminal
from prograd_experiments.errors import RecordError
from prograd_experiments.launch import Point
from prograd_experiments.messages import is_refusal, message_of
from prograd_experiments.records import Status
from prograd_experiments.rows import NOTHING
from prograd_experiments.wishes import Wishes

TO_DO = "to do"
HEADING = ("point", "standing", "predicted", "took")


def show(console: Console, statuses: Mapping[Point, Status], directory: Path, wishes: Wishes) -> None:
    """Prints each point with its standing, its predicted time if it is to run, and the time that its record took."""
    lines, whole, unknown = [], 0.0, 0
    for point, status in statuses.items():
        predicted: float | None = None
        note = ""
        if not wishes.counts(status):
            try:
                predicted = jobs.experiment_of(point.config).predicted_seconds(point.config)
            except Exception as error:
                if not is_refusal(error):
                    raise
                note = f"it will fail: {message_of(error)}"
            whole, unknown = whole + (predicted or 0.0), unknown + (predicted is None)
        words = TO_DO if status is Status.NEW else status.value
        took = _took(directory / point.folder)
        shown = [NOTHING if time is None else seconds(time) for time in (predicted, took)]
        lines.append((point.label, words, note or shown[0], shown[1]))
    terminal.show_lines(console, HEADING, lines)
    left = sum(not wishes.counts(status) for status in statuses.values())
    more = f" and {unknown} of unknown time" if unknown else ""
    console.print(f"{left} to run, about {seconds(whole)} of measuring{more}; nothing has run", highlight=False)


def _took(folder: Path) -> float | None:
    """How long the job of the record in a folder took."""
    try:
        record = records.read(folder / records.NAME)
    except RecordError:
        return None
    took: float | None = record.get("seconds")
    return took
