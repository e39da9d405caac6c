"""How a table is written: its delimiter, the sign before decimals, and whether it begins with the names of columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from csv import Error as BadTable
from csv import reader
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from types import MappingProxyType

from prograd.units import counted
from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError
from prograd_experiments.targets import MISSING

DELIMITERS: Mapping[str, str] = MappingProxyType(
    {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "space": " "}
)
DECIMALS: Mapping[str, str] = MappingProxyType({"point": ".", "comma": ","})

HEAD_BYTES, HEAD_ROWS = 1 << 18, 200  # which show how a table is written
FITTING = 0.9  # of the rows have one number of cells if the delimiter is right
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Said:
    """What a configuration says of how a table is written; None leaves it to the table."""

    delimiter: str | None
    decimal: str | None
    heading: bool | None

    @classmethod
    def by(cls, config: read.Config) -> Said:
        """What `data.delimiter`, `data.decimal` and `data.heading` say. Raises `ConfigError`."""
        heading = None if read.get(config, "data.heading") is None else read.boolean(config, "data.heading")
        said = cls(_sign(config, "data.delimiter", DELIMITERS), _sign(config, "data.decimal", DECIMALS), heading)
        if said.decimal is not None and said.decimal == said.delimiter:
            raise read.refused("data.decimal", "another sign than data.delimiter", said.decimal)
        return said


@dataclass(frozen=True)
class Table:
    """A file, how it is written, and the names of its columns. `skipped` lines end with the heading."""

    path: Path
    delimiter: str
    decimal: str
    skipped: int
    names: Sequence[str]

    def column(self, key: str, given: str | int) -> int:
        """The number of the column with this name, or with this number. Raises `ConfigError`."""
        if isinstance(given, int) and not isinstance(given, bool) and -len(self.names) <= given < len(self.names):
            return given % len(self.names)
        name = read.one_of(key, given, self.names)
        if self.names.count(name) > 1:
            raise read.refused(key, "the name of one column", name, "several columns have it: set a column's number")
        return self.names.index(name)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The cells of each row below the heading, and the line on which it begins. Slow: for messages."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            for _ in range(self.skipped):
                file.readline()
            begins = self.skipped + 1
            for ends, row in _parsed(file, self.delimiter):
                if row:
                    yield begins, row
                begins = self.skipped + ends + 1

    def refuse(self, row: int, column: int, expected: str, hint: str) -> ConfigError:
        """The error for a cell."""
        line, cells = next(islice(self.rows(), row, None))
        got = f"{cells[column].strip()!r}; {hint}".removesuffix("; ")
        name = self.names[column] or column
        return ConfigError(f"{self.path}, row {line}, column {name}: expected {expected}, got {got}")


def written(path: Path, said: Said) -> tuple[Table, list[str]]:
    """The table as its first rows show it to be written, and what to tell of that.

    Raises `ConfigError` for an empty file, one that is no text, and a heading over several lines.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = file.readlines(HEAD_BYTES)
    except UnicodeDecodeError as error:
        raise no_text(path, error) from error
    delimiter = said.delimiter or _delimiter(lines)
    found = [(ends, row) for ends, row in _head(lines, delimiter) if row]
    rows = [row for _, row in found]
    if not rows and not any(map(str.strip, lines)):
        raise ConfigError(f"{path}: expected at least a feature, a target and a sample, got an empty file")
    if not rows or any(set(cell) & {"\n", "\r"} for cell in rows[0]):
        raise _open_quote(path, 1)
    decimal = said.decimal or _decimal(rows, delimiter)
    heading = _is_heading(rows, decimal) if said.heading is None else said.heading
    told = ["a comma before decimals"] if decimal == "," and said.decimal is None else []
    if said.heading is None and not heading:
        told.append("no heading (data.heading=true takes the first row for one)")
    if said.heading is None and heading and any(is_number(cell, decimal) for cell in rows[0]):
        told.append(f"the heading is {', '.join(rows[0])} (data.heading=false takes it for a sample)")
    names = rows[0] if heading else [str(i) for i in range(len(rows[0]))]
    return Table(path, delimiter, decimal, found[0][0] if heading else 0, names), told


def refuse_ragged(table: Table) -> None:
    """Raises `ConfigError` for the first row with a line break in a cell, or with more or fewer cells than names."""
    begins = table.skipped
    try:
        for line, row in table.rows():
            begins = line
            if any(set(cell) & {"\n", "\r"} for cell in row):
                raise _open_quote(table.path, begins)
            if len(row) != len(table.names):
                (sign,) = (name for name, each in DELIMITERS.items() if each == table.delimiter)
                expected = f"{counted(len(table.names), 'cell')}, as in the first row"
                hint = f"cells end with data.delimiter={sign}"
                raise ConfigError(f"{table.path}, row {line}: expected {expected}, got {len(row)}; {hint}")
    except BadTable as error:
        raise _open_quote(table.path, begins + 1) from error


def is_number(text: str, decimal: str) -> bool:
    """Whether a cell is a number; infinity and NaN are."""
    if decimal == ",":
        text = text.replace(".", "x").replace(",", ".")
    try:
        float(text.replace("_", "x"))
    except ValueError:
        return False
    return True


def no_text(path: Path, error: UnicodeDecodeError) -> ConfigError:
    """The error for bytes that are no UTF-8."""
    got = f"the byte 0x{error.object[error.start]:02x}"
    return ConfigError(f"{path}: expected a table in UTF-8, got {got}; save it as UTF-8")


def _parsed(lines: Iterator[str] | Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of the line that it ends on."""
    if delimiter == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines, 1))
        return
    table = reader(lines, delimiter=delimiter, skipinitialspace=True)
    for row in table:
        yield table.line_num, [cell.strip() for cell in row]


def _head(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    with suppress(BadTable):  # a cell without an end: the rows before it show enough, and who reads all refuses it
        rows.extend(islice(_parsed(lines, delimiter), HEAD_ROWS))
    return rows


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts the most rows into one number of cells, at least two."""
    shares: dict[str, float] = {}
    for delimiter in DELIMITERS.values():
        widths = [len(row) for _, row in _head(lines, delimiter) if row]
        width, count = Counter(widths).most_common(1)[0] if widths else (0, 0)
        shares[delimiter] = count / len(widths) if width > 1 else 0.0
        if shares[delimiter] >= FITTING:
            return delimiter
    best = max(shares, key=lambda delimiter: shares[delimiter])
    return best if shares[best] else ","


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    cells = [cell for row in rows for cell in row]
    pointed = any("." in cell and is_number(cell, ".") for cell in cells)
    return "," if delimiter != "," and not pointed and any(map(COMMA.fullmatch, cells)) else "."


def _is_heading(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row names the columns.

    A word above numbers alone is a name. A row without numbers is a heading, unless its words return below. Whole
    numbers that grow, such as years, are names beside words that never return though the others below do.
    """
    first, *others = rows
    below = [[row[i] for row in others if i < len(row) and row[i].lower() not in MISSING] for i in range(len(first))]
    words = [i for i, cell in enumerate(first) if cell.lower() not in MISSING and not is_number(cell, decimal)]
    if any(below[i] and all(is_number(cell, decimal) for cell in below[i]) for i in words):
        return True
    return_below = any(first[i] in below[i] for i in words)
    numbers = [float(cell) for cell in first if is_number(cell, ".")]
    if not any(is_number(cell, decimal) for cell in first):
        return not return_below
    years = len(numbers) > 1 and all(a.is_integer() and a < b for a, b in pairwise(numbers))
    repeat = all(len(set(below[i])) < len(below[i]) for i in words)
    return bool(words) and years and repeat and not return_below


def _open_quote(path: Path, line: int) -> ConfigError:
    return ConfigError(
        f"{path}, row {line}: expected a quote that ends on its line, got a cell over several lines; close it"
    )


def _sign(config: read.Config, key: str, signs: Mapping[str, str]) -> str | None:
    given = read.get(config, key)
    return given if given is None or given in signs.values() else signs[read.one_of(key, given, signs)]
