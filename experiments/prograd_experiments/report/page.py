"""The page: the answer, pictures and table of a sweep; for several sweeps, their ratios and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import prograd
from prograd_experiments.charts import Picture, markup, palette
from prograd_experiments.gather import Gathered
from prograd_experiments.report import facts
from prograd_experiments.report.compare import Comparison, compare
from prograd_experiments.rows import NO_VALUE, STATUS_WORDS, Cell

NAME = "report.html"
ABSENT = Cell("no job")


@dataclass(frozen=True)
class Line:
    """A line of the table; `begins` if its first cell differs from the line before, `bad` are the cells of failures."""

    cells: Sequence[Cell]
    bad: frozenset[int]
    begins: bool


@dataclass(frozen=True)
class Failure:
    """A job or a file without a result: its sweep, place and reason, and the traceback if there is one."""

    sweep: str
    where: str
    why: str
    traceback: str | None = None


@dataclass(frozen=True)
class Figure:
    """A picture as markup with its title, and the label of its sweep if there are several."""

    title: str
    label: str
    drawn: Markup


@dataclass(frozen=True)
class Section:
    """Pictures under one heading; inside, those of different sweeps that belong side by side."""

    heading: str
    figures: Sequence[Sequence[Figure]]


def render(sweeps: Sequence[Gathered]) -> str:
    """The page of one sweep, or of several side by side. Raises `RecordError` for sweeps that can't be compared."""
    comparison = compare(sweeps)
    asked = facts.asked([sweep.records for sweep in sweeps])
    where = facts.surroundings([sweep.records for sweep in sweeps])
    return (
        _templates()
        .get_template("report.html")
        .render(
            version=prograd.__version__,
            css=Markup(palette.css()) + _verbatim("report.css"),  # noqa: S704  (colours)
            script=_verbatim("report.js"),
            experiment=comparison.experiment,
            comparison=comparison,
            several=len(sweeps) > 1,
            labels=[comparison.label(number) for number in range(len(sweeps))],
            summaries=[(counted(sweep), _answer(sweep)) for sweep in sweeps],
            asked=asked,
            where=where,
            differing=[fact for fact in (*asked, *where) if fact.differs],
            failures=list(_failures(comparison)),
            sections=list(_sections(comparison)),
            caption=comparison.experiment.caption([row for sweep in sweeps for row in sweep.rows]),
            lines=list(_lines(comparison)),
            records=sum(len(sweep.records) for sweep in sweeps),
        )
    )


def counted(sweep: Gathered) -> str:
    """`12 points: 10 complete, 2 failed`, followed by the number of unreadable files."""
    found = [row["status"] for row in sweep.runs]
    words = {"complete": "complete", **STATUS_WORDS}
    parts = [f"{found.count(status)} {word}" for status, word in words.items() if status in found]
    unreadable = len(sweep.unreadable)
    parts += [f"{unreadable} file{'s' * (unreadable > 1)} that can't be read"] if unreadable else []
    points = f"{len(sweep.rows)} point{'s' * (len(sweep.rows) > 1)}"
    runs = f", {len(found)} runs" if len(found) > len(sweep.rows) else ""
    return f"{points}{runs}: {', '.join(parts)}"


@cache
def _templates() -> Environment:
    loader = PackageLoader("prograd_experiments", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _verbatim(name: str) -> Markup:
    text = (resources.files("prograd_experiments") / "templates" / name).read_text("utf-8")
    return Markup(text.rstrip())  # noqa: S704  (a file of this package)


def _answer(sweep: Gathered) -> str:
    # Keeps a number and its unit on one line.
    return re.sub(r"(?<=\d) (?=[mµn]?s\b)", "\N{NO-BREAK SPACE}", sweep.experiment.answer(sweep.rows))


def _failures(comparison: Comparison) -> Iterator[Failure]:
    for number, sweep in enumerate(comparison.sweeps):
        letter = f"{comparison.letters[number]}: " if len(comparison.sweeps) > 1 else ""
        for row, record in zip(sweep.runs, sweep.records, strict=True):
            if record.get("error"):
                yield Failure(letter, row["directory"], row["error"], record["error"]["traceback"])
            elif row["status"] != "complete":
                yield Failure(letter, row["directory"], "the job did not end; it was killed, or it still runs.")
        for file in sweep.unreadable:
            yield Failure(letter, file.path.relative_to(sweep.directory).as_posix(), file.reason)


def _lines(comparison: Comparison) -> Iterator[Line]:
    """One line for each point: the ratios to the first sweep, if there are several, and each sweep's results."""
    before, width = None, len(comparison.tables[0].point)
    for number, places in enumerate(comparison.lines):
        found = list(zip(comparison.sweeps, comparison.tables, places, strict=True))
        points = [table.lines[place][:width] for _, table, place in found if place is not None]
        cells = [_joined(same) for same in zip(*points, strict=True)]
        cells += [cell for ratios in comparison.ratios for cell in ratios.cells[number]]
        bad: set[int] = set()
        for sweep, table, place in found:
            results = [ABSENT, *[NO_VALUE] * (len(table.results) - 1)] if place is None else table.lines[place][width:]
            if place is not None and sweep.rows[place]["status"] != "complete":
                bad.update(range(len(cells), len(cells) + len(results)))
            cells += results
        yield Line(cells, frozenset(bad), begins=before is not None and before != cells[0].text)
        before = cells[0].text


def _joined(cells: Sequence[Cell]) -> Cell:
    """One cell for sweeps that differ as a whole, with their texts in order."""
    texts = list(dict.fromkeys(cell.text for cell in cells))
    return cells[0] if len(texts) == 1 else Cell(" | ".join(texts), cells[0].value)


def _sections(comparison: Comparison) -> Iterator[Section]:
    every = [sweep.experiment.pictures(sweep.rows) for sweep in comparison.sweeps]
    settings = [list(dict.fromkeys(picture.heading for picture in pictures)) for pictures in every]
    # Sweeps of one setting each belong side by side even if the setting is what differs.
    alone = len(every) > 1 and all(len(headings) == 1 for headings in settings)
    together = [[headings[0] for headings in settings]] if alone else []
    distinct = dict.fromkeys(heading for headings in settings for heading in headings)
    for headings in together or [[heading] * len(every) for heading in distinct]:
        members = [
            [picture for picture in pictures if picture.heading == own]
            for pictures, own in zip(every, headings, strict=True)
        ]
        titles = dict.fromkeys(picture.title for pictures in members for picture in pictures)
        yield Section(_merged(headings), [list(_side_by_side(comparison, title, members)) for title in titles])


def _merged(headings: Sequence[str]) -> str:
    """`a, 1 thread` and `a, 2 threads` -> `a, 1 thread | 2 threads`."""
    parts = [heading.split(", ") for heading in headings]
    if len(set(map(len, parts))) > 1:
        return " | ".join(headings)
    return ", ".join(" | ".join(dict.fromkeys(part)) for part in zip(*parts, strict=True))


def _side_by_side(comparison: Comparison, title: str, members: Sequence[Sequence[Picture]]) -> Iterator[Figure]:
    found = [(n, picture) for n, pictures in enumerate(members) for picture in pictures if picture.title == title]
    every = [picture for pictures in members for picture in pictures]
    for number, picture in found:
        label = comparison.label(number) if len(members) > 1 else ""
        yield Figure(title, label, Markup(markup.draw(picture, every)))  # noqa: S704  (it escapes its texts)
