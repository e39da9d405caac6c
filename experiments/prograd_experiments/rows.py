"""What records say, in rows: each column is described once, for the rows, for `summary.csv` and for the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from prograd.units import factor, seconds, three
from prograd_experiments import steady
from prograd_experiments.records import Record

Row = Mapping[str, Any]

NOTHING = "–"
FURTHER = "further"
"""The key under which a row has the keys and names of `further`, and the short texts of their values."""

SEEDS, DEVIATIONS = "seeds", "deviations"
"""The keys under which a row has the number of its seeds, and the standard deviations over them by column."""

UNSTEADY, MARK = "unsteady", "*"
"""The key under which a row has what is unsteady in it, and the mark of a value that is."""

STATUS_WORDS = {"failed": "failed", "running": "not finished"}
"""The words for the status of a record that is not complete."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the value to sort by: None means that there is no value, and sorts last."""

    text: str
    value: float | str | None = None

    @property
    def sort_key(self) -> str | None:
        """The value as a page's script sorts it; None if the text is the same."""
        if self.value is None:
            return ""
        key = f"{self.value:.7g}" if isinstance(self.value, float) else str(self.value)
        return None if key == self.text else key


NO_VALUE = Cell(NOTHING)


@dataclass(frozen=True)
class Column:
    """One fact about a job.

    `read` finds it in the record, which `Experiment.derived` has extended. The table shows it under `heading`, in the
    form that `write` gives it, and leaves it out without a heading. A column of the `point` tells points apart: the
    table shows it first, "always" or only if it is "varying", and `of` are the paths in the configuration that it
    tells. An incomplete job has only the results `of_any_job`. Over several seeds `merge` makes one value of several,
    by default the mean of numbers; a column of the `ends` of another one's spread then has the ends of its deviation.
    """

    key: str
    read: Callable[[Record], Any]
    heading: str = ""
    write: Callable[[Row], Cell] | None = None
    point: Literal["", "always", "varying"] = ""
    of_any_job: bool = False
    csv: Literal["", "last", "never"] = ""
    of: Sequence[str] = ()
    merge: Callable[[Sequence[Any]], Any] | None = None
    ends: str = ""

    def cell(self, row: Row) -> Cell:
        """The cell of the table; by default the value as it is."""
        return plain(row[self.key]) if self.write is None else self.write(row)


@dataclass(frozen=True)
class Table:
    """The headings of point and results, and a line of cells for each row."""

    point: Sequence[str]
    results: Sequence[str]
    lines: Sequence[Sequence[Cell]]

    def texts(self) -> list[list[str]]:
        """The headings, then each line."""
        return [[*self.point, *self.results], *([cell.text for cell in line] for line in self.lines)]


def table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    """The table that people read."""
    varied = varying(rows, [column.key for column in columns if column.point])
    point = [column for column in columns if column.point == "always" or (column.point and column.key in varied)]
    results = [column for column in columns if column.heading and not column.point]
    lines = [[*(column.cell(row) for column in point), *_result_cells(results, row)] for row in rows]
    return Table([column.heading or column.key for column in point], [column.heading for column in results], lines)


def csv_keys(columns: Sequence[Column]) -> list[str]:
    """The columns of `summary.csv`: in one order, with those that only some sweeps have at the end."""
    first = [column.key for column in columns if not column.csv]
    return [*first, *(column.key for column in columns if column.csv == "last")]


def at(path: str) -> Callable[[Record], Any]:
    """Reads the value at a dotted path of a record; None if there is none."""
    keys = path.split(".")

    def read(record: Record) -> Any:
        value: Any = record
        for key in keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value

    return read


def setting(
    key: str,
    point: Literal["always", "varying"] = "varying",
    path: str = "",
    read: Callable[[Record], Any] | None = None,
) -> Column:
    """The column of a key of the configuration, which is at `path` if that is not the same."""
    path = path or key
    return Column(key, read or at(f"config.{path}"), point=point, of=(path,))


def choice(key: str, point: Literal["always", "varying"] = "varying", records: Sequence[Record] = ()) -> Column:
    """The column of a group's or a layer's name, or its file's. Options that vary have columns of their own.

    A record without the key, which had no effect there, has the name that all others of the `records` have.
    """

    def read(record: Record) -> str | None:
        value = record["config"].get(key)
        group = value if isinstance(value, Mapping) else {"name": value}
        name = group.get("name") if group.get("path") is None else PurePath(group["path"]).name
        return None if name is None else str(name)

    names = {read(record) for record in records} - {None}
    if len(names) == 1:
        (name,) = names
        return Column(key, lambda record: read(record) or name, point=point, of=(key, f"{key}.name"))
    return Column(key, read, point=point, of=(key, f"{key}.name"))


def reason(record: Record) -> str | None:
    """Why the job failed, in one line: the exception's type and message; None if it did not."""
    error = record.get("error")
    return f"{error['type']}: {error['message']}".removesuffix(": ") if error else None


def plain(value: float | str | None, empty: str = NOTHING) -> Cell:
    """A count or a name as it is."""
    return Cell(empty if value is None else str(value), value)


def time(key: str, spread: str | None = None) -> Callable[[Row], Cell]:
    """Writes `2.13 ms ± 0.04`: the median with half the interquartile range, or the mean with the deviation."""

    def write(row: Row) -> Cell:
        median = row[key]
        if median is None:
            return NO_VALUE
        width = half_width(row, key, spread)
        text = seconds(median) + ("" if width is None else f" ± {seconds(width, like=median)}")
        return Cell(text + marked(row, key, spread), median)

    return write


def ratio(key: str, spread: str | None = None) -> Callable[[Row], Cell]:
    """Writes `12.3× ± 0.4`: the median with half the interquartile range, or the mean with the deviation."""

    def write(row: Row) -> Cell:
        cell = ratio_cell(row[key], half_width(row, key, spread))
        return replace(cell, text=cell.text + marked(row, key, spread))

    return write


def ratio_cell(middle: float | None, width: float | None) -> Cell:
    """The cell of a ratio with what it may be off to either side."""
    if middle is None:
        return NO_VALUE
    text = factor(middle)
    if width is not None:
        decimals = len(three(middle).partition(".")[2])
        text += f" ± {width:.{decimals}f}"
    return Cell(text, middle)


def half_width(row: Row, key: str, spread: str | None = None) -> float | None:
    """What a value may be off to either side: its deviation over the seeds, else half its interquartile range."""
    deviation: float | None = row.get(DEVIATIONS, {}).get(key)
    if spread is None:
        return deviation or None  # what follows from the configuration does not deviate
    if deviation is not None or row[spread] is None:
        return deviation
    return float(row[spread]) / 2


def is_unsteady(row: Row, key: str, spread: str | None) -> bool:
    """Whether the value in this column has a spread that makes it unsteady."""
    return spread is not None and steady.is_unsteady(row.get(key), row.get(spread))


def marked(row: Row, key: str, spread: str | None) -> str:
    """The mark of a value that is unsteady, after a space; empty for any other."""
    return f" {MARK}" if is_unsteady(row, key, spread) else ""


def seeds_text(row: Row) -> str:
    """`, mean of 3 seeds`; empty for a point with one run."""
    return f", mean of {row[SEEDS]} seeds" if row.get(DEVIATIONS) else ""


def spread_name(row: Row) -> str:
    """What the ends of a timing's bar are the ends of."""
    return "deviation" if row.get(DEVIATIONS) else "middle half"


def bars(rows: Sequence[Row]) -> str:
    """What the bars in a chart of timings are: `(bars: middle half)`, and what they are of several seeds."""
    return f"(bars: middle half{'; seeds: mean, deviation' if any(row.get(DEVIATIONS) for row in rows) else ''})"


def bars_of_seeds(rows: Sequence[Row]) -> str:
    """What the bars in a chart of results without timings are; empty if no point has several seeds."""
    return "(bars: deviation over seeds)" if any(row.get(DEVIATIONS) for row in rows) else ""


def varying(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """The keys that have more than one value in these rows."""
    return [key for key in keys if len({row[key] for row in rows}) > 1]


def further(rows: Sequence[Row]) -> dict[str, str]:
    """The keys that vary and that the experiment has no column for, each with its name."""
    return {key: name for row in rows[:1] for key, name, _ in row.get(FURTHER, ())}


def further_text(row: Row, left_out: Sequence[str] = ()) -> str:
    """What `further` tells of a row, in words that begin with a comma: `, rank 2`; empty if it tells nothing."""
    found = [each for each in row.get(FURTHER, ()) if each[0] not in left_out and row[each[0]] is not None]
    return "".join(f", {name} {told(key, texts, row).text}" for key, name, texts in found)


def told(key: str, texts: Mapping[Any, str], row: Row) -> Cell:
    """The cell of a key that varies, whose values may have shorter texts."""
    return Cell(texts.get(row[key], plain(row[key]).text), row[key])


def sort_key(value: Any) -> tuple[int, Any]:
    """Numbers in their order, then texts in theirs, then what has no value."""
    return (2, 0) if value is None else (int(isinstance(value, str)), value)


def apart(rows: Sequence[Row], keys: Sequence[str]) -> list[list[Row]]:
    """The rows grouped by their values of these keys."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(found.values())


def having(rows: Sequence[Row], key: str) -> Row | None:
    """The first row with a value."""
    return next((row for row in rows if row.get(key) is not None), None)


def ended(row: Row) -> str:
    """How the job of a row ended, with the error if there was one."""
    return STATUS_WORDS[row["status"]] + (f", {row['error']}" if row["error"] else "")


def without_result(rows: Sequence[Row], what: str = "points gave no time") -> str:
    """The end of an answer: how many points have no result, and how many are unsteady; empty if none."""
    left = sum(row["status"] != "complete" for row in rows)
    busy = sum(bool(row.get(UNSTEADY)) for row in rows)
    none = f" {left} of {len(rows)} {what}: see the table." if left else ""
    return none + (f" The machine was busy at {busy} of {len(rows)} points, which {MARK} marks." if busy else "")


def _result_cells(results: Sequence[Column], row: Row) -> list[Cell]:
    if row["status"] == "complete":
        return [column.cell(row) for column in results]
    cells = [column.cell(row) if column.of_any_job else NO_VALUE for column in results]
    cells[next(i for i, column in enumerate(results) if not column.of_any_job)] = Cell(STATUS_WORDS[row["status"]])
    return cells
