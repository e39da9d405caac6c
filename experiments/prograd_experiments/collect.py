"""From the records below a directory to its summary, its picture and its page; from files alone, never from memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prograd_benchmarks.timing import collector_off
from prograd_experiments import storage
from prograd_experiments.gather import Gathered, gather
from prograd_experiments.report import page
from prograd_experiments.rows import csv_keys

DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Collected(Gathered):
    """The records and the files made from them."""

    files: Sequence[Path]


@collector_off()
def collect(directory: str | Path) -> Collected:
    """Writes `summary.csv`, the picture and `report.html` into `directory` from the records in it and below.

    Raises `RecordError` if there is none; a file that holds no record is listed and left out.
    """
    found = gather(Path(directory))
    contents: dict[str, str | bytes] = {
        "summary.csv": as_csv(found),
        f"{found.experiment.name}.png": as_png(found.experiment.poster(found.rows)),
        page.NAME: page.render([found]),
    }
    for name, content in contents.items():
        storage.replace(found.directory / name, content)
    return Collected(**vars(found), files=[found.directory / name for name in contents])


def as_csv(found: Gathered) -> str:
    """The rows as CSV: numbers to the last digit, nothing where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, csv_keys(found.columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found.rows)  # None becomes an empty cell
    return text.getvalue()


def as_png(figure: Figure) -> bytes:
    """The figure drawn by Agg, which needs no display."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    # Without matplotlib's version in the file, equal figures are equal files. Lines and flat colours hardly get smaller
    # at a higher level of compression, only slower.
    figure.savefig(
        content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}, pil_kwargs={"compress_level": 1}
    )
    return content.getvalue()
