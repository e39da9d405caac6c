"""Samples from a table of numbers and words, as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from prograd.units import counted
from prograd_experiments import config as read
from prograd_experiments import files
from prograd_experiments.dialects import (
    COMMA,
    Said,
    Table,
    is_number,
    no_text,
    refuse_ragged,
    written,
)
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Array, Data
from prograd_experiments.targets import MISSING, Source, Words, samples

Values: TypeAlias = np.ndarray[Any, Any]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

KEYS = (
    *("path", "target", "task", "delimiter", "decimal", "heading", "missing", "categories", "leave_out"),
    "sha256",
)

CHUNK = 1 << 16  # rows that are parsed at a time
MOST_CATEGORIES = 1000  # of one column
NO_VALUES = sorted({write(word) for word in MISSING for write in (str, str.upper, str.title)} | {"NaN", "Na"})
# With signs that no number has here: $1 234.50, 20%.
LIKE_A_NUMBER = re.compile(r"[^\w\s]?\s?[+-]?\d[\d.,'\s]*[^\w\s]?")


@dataclass(frozen=True)
class Options:
    """What a configuration says of a table; None leaves it to the table."""

    target: str | int | None
    task: str | None
    written: Said
    missing: str | None
    categories: Sequence[str | int]
    leave_out: Sequence[str | int]


class Cells(NamedTuple):
    """The numbers of a table (N, n), NaN where there is none, and the columns with words, or with true and false."""

    numbers: Array
    wordy: Flags
    truths: Flags


def csv(config: read.Config) -> Data:
    """A table with one sample in each row: numbers, and words in the target and in `data.categories`.

    `data.target` is the name or the number of the column to predict, or null for the last one. `targets.samples` says
    what `data.task` null means. Raises `ConfigError` with the row and the column of what can't be used.
    """
    target, missing = read.get(config, "data.target"), read.get(config, "data.missing")
    if target is not None and (isinstance(target, bool) or not isinstance(target, (str, int))):
        raise read.refused("data.target", "a column, by name or number", target)
    options = Options(
        target,
        files.task(config),
        Said.by(config),
        None if missing is None else read.one_of("data.missing", missing, ("drop", "mean")),
        _columns(config, "data.categories"),
        _columns(config, "data.leave_out"),
    )
    return _csv(*files.known_file(config), options)


# A file's time and size identify its content, so a sweep reads it once.
@cache
def _csv(path: Path, _: int, __: int, options: Options) -> Data:
    table, told = written(path, options.written)
    cells = _cells(table)
    out = {table.column("data.leave_out", name) for name in options.leave_out} | _nothing(table, cells)
    left = [i for i in range(len(table.names)) if i not in out]
    target = table.column("data.target", (left or [0])[-1] if options.target is None else options.target)
    categories = {table.column("data.categories", name) for name in options.categories}
    features = [i for i in left if i != target]
    if not features or not len(cells.numbers):
        got = f"{counted(len(table.names), 'column')} and {counted(len(cells.numbers), 'row')} below the heading"
        hint = "; data.delimiter says where cells end" if len(table.names) == 1 else ""
        raise ConfigError(f"{path}: expected at least a feature, a target and a sample, got {got}{hint}")
    last = max(left)
    wordy = {i for i in (*features, target, last) if cells.wordy[i] or (i == target and cells.truths[i])}
    words = _words(table, wordy | categories & {*features})
    if (words[last].number < 0 if last in words else np.isnan(cells.numbers[:, last])).any():
        refuse_ragged(table)
    for i in wordy - categories:
        if (i != target or options.task != "classification") and (found := _as_numbers(table, words[i])) is not None:
            cells.numbers[:, i] = found
            del words[i]
    _refuse_words(table, {i: words[i] for i in features if i in words and i not in categories})
    columns = [(_indicators(table, i, words[i]) if i in words else cells.numbers[:, [i]]) for i in features]
    x = np.concatenate(columns, axis=1)
    y: Words | Array = words.get(target, cells.numbers[:, target])
    if isinstance(y, Words) and options.task != "classification":
        _refuse_words_among_numbers(table, target, y, options.task)
    owners = np.repeat(features, [column.shape[1] for column in columns])
    x, y = _without_gaps(table, options.missing, (x, y), (owners, target))
    data = samples(Source("csv", path, table.names[target]), x, y, options.task)
    named = [
        name
        for i in features
        for name in ([f"{table.names[i]}={word}" for word in words[i].words] if i in words else [table.names[i]])
    ]
    return replace(data, columns=tuple(named), told="; ".join([data.told, *told]))


def _without_gaps(
    table: Table, missing: str | None, found: tuple[Array, Words | Array], columns: tuple[Values, int]
) -> tuple[Array, Words | Array]:
    """Features and targets without missing values, or with those that may be. Raises `ConfigError` for the first other.

    `columns` are those that the features and the target come from.
    """
    (x, y), (owners, target) = found, columns
    gaps, without = np.isnan(x), y.number < 0 if isinstance(y, Words) else np.isnan(y)
    if missing == "drop":
        kept = ~(without | gaps.any(axis=1))
        x, y = x[kept], y.take(kept) if isinstance(y, Words) else y[kept]
        if not len(x):
            raise read.refused(
                "data.missing", "rows without missing values to be left", "drop", f"{table.path} has none"
            )
    elif without.any():
        hint = "data.missing=drop leaves out such rows"
        raise table.refuse(int(np.argmax(without)), target, "a target", hint)
    elif gaps.any() and missing is None:
        row = int(np.argmax(gaps.any(axis=1)))
        owner = int(owners[np.argmax(gaps[row])])
        hint = "data.missing=drop leaves out such rows, data.missing=mean takes the column's mean"
        raise table.refuse(row, owner, "a value", hint)
    return x, y


def _nothing(table: Table, cells: Cells) -> set[int]:
    """The columns without a name and without values: a delimiter ends each row."""
    empty = np.isnan(cells.numbers).all(axis=0) & ~cells.wordy if len(cells.numbers) else cells.wordy
    return {i for i, name in enumerate(table.names) if empty[i] and not name}


def _columns(config: read.Config, key: str) -> tuple[str | int, ...]:
    given = read.get(config, key)
    names = given if isinstance(given, list) else [given]
    if any(isinstance(name, bool) or not isinstance(name, (str, int)) for name in names):
        raise read.refused(key, "a list of columns, by name or number", given)
    return tuple(names)


def _frames(table: Table, **more: Any) -> Iterator[Any]:
    """Data frames of up to `CHUNK` rows. Raises `ConfigError` for rows of several lengths and for open quotes."""
    # pandas takes a fifth of a second to import, and `prograd collect`, for one, reads no data.
    from pandas import errors, read_csv  # noqa: PLC0415

    how: dict[str, Any] = {
        "sep": r"\s+" if table.delimiter == " " else table.delimiter,
        "decimal": table.decimal,
        "header": None,
        "skiprows": table.skipped,
        "index_col": False,
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": NO_VALUES,
        "encoding": "utf-8-sig",
        "compression": None,
        "low_memory": False,
        "chunksize": CHUNK,
    }
    try:
        with read_csv(table.path, **how, **more) as frames:
            for frame in frames:
                if "usecols" not in more and frame.shape[1] != len(table.names):
                    refuse_ragged(table)
                yield frame
    except errors.EmptyDataError:
        return
    except UnicodeDecodeError as error:
        raise no_text(table.path, error) from error
    except errors.ParserError as error:
        refuse_ragged(table)
        raise ConfigError(f"{table.path}: expected a table, got {error}") from error


def _cells(table: Table) -> Cells:
    width = len(table.names)
    blocks, wordy, truths = [np.empty((0, width))], np.zeros(width, np.bool_), np.zeros(width, np.bool_)
    for frame in _frames(table):
        block = np.full(frame.shape, np.nan)
        for i, column in frame.items():
            if column.dtype.kind in "iufb":
                block[:, i] = column
                truths[i] |= column.dtype.kind == "b"
            else:
                wordy[i] = True
        block[np.isinf(block)] = np.nan
        blocks.append(block)
    return Cells(np.concatenate(blocks), wordy, truths)


def _words(table: Table, columns: set[int]) -> dict[int, Words]:
    """The words of these columns."""
    if not columns:
        return {}
    seen: dict[int, dict[str, int]] = {i: {} for i in columns}
    numbers: dict[int, list[Any]] = {i: [] for i in columns}
    for frame in _frames(table, usecols=sorted(columns), dtype="category"):
        for i in columns:
            column = frame[i].cat
            stripped = [str(word).strip() for word in column.categories]
            new = [-1 if word.lower() in MISSING else seen[i].setdefault(word, len(seen[i])) for word in stripped]
            numbers[i].append(np.array([*new, -1])[column.codes])
    found = {i: Words.of(list(seen[i]), np.concatenate(numbers[i])) for i in columns}
    if any(set(word) & {"\n", "\r"} for each in found.values() for word in each.words):
        refuse_ragged(table)
    return found


def _as_numbers(table: Table, found: Words) -> Array | None:
    """The numbers that the words write, such as `1 ` with a space at its end; None if one is no number."""
    if not all(is_number(word, table.decimal) for word in found.words):
        return None
    values = np.array([*(float(word.replace(table.decimal, ".")) for word in found.words), np.nan])
    values[np.isinf(values)] = np.nan
    return np.asarray(values[found.number])


def _indicators(table: Table, column: int, found: Words) -> Array:
    """A feature for each word: 1 where a sample has it, else 0; all NaN where the word is missing."""
    if len(found.words) > MOST_CATEGORIES:
        got = f"{len(found.words)} in column {table.names[column]}"
        raise ConfigError(f"data.categories: expected at most {MOST_CATEGORIES} words in a column, got {got}")
    has = found.number[:, None] == np.arange(len(found.words))
    return np.where(found.number[:, None] < 0, np.nan, has)


def _refuse_words(table: Table, found: Mapping[int, Words]) -> None:
    """Raises `ConfigError` for features with words: it names the first if a column has numbers, else the columns."""
    if not found:
        return
    for column, its in found.items():
        _refuse_words_among_numbers(table, column, its, "a feature")
    shown = ", ".join(f"{its.words[0]!r} in {table.names[i]}" for i, its in islice(found.items(), 3) if its.words)
    hint = f"'data.leave_out=[{','.join(table.names[i] for i in found)}]' leaves them out"
    # Of names and dates, which hardly return, features would say nothing of other samples.
    if kinds := [table.names[i] for i, its in found.items() if 2 * len(its.words) <= len(its.number)]:
        hint = f"'data.categories=[{','.join(kinds)}]' makes a feature of each word, {hint}"
    raise ConfigError(f"{table.path}: expected numbers in every column but the target, got words ({shown}); {hint}")


def _refuse_words_among_numbers(table: Table, column: int, found: Words, use: str | None) -> None:
    """Raises `ConfigError` for a word in a column where most cells look like numbers, or all must be."""
    numeric = np.array([*(is_number(word, table.decimal) for word in found.words), True])[found.number]
    alike = np.array([*(bool(LIKE_A_NUMBER.fullmatch(word)) for word in found.words), False])[found.number]
    given = np.count_nonzero(found.number >= 0)
    if use == "regression" or 2 * np.count_nonzero((numeric | alike) & (found.number >= 0)) > given:
        row = int(np.argmax(~numeric))
        hints = ["data.task=classification makes a class of it"] if use is None else []
        if COMMA.fullmatch(found.words[found.number[row]]) and table.delimiter != ",":
            hints = ["data.decimal=comma?"]
        elif alike[row]:
            hints.insert(0, "plain numbers, such as 1234.5, are read")
        raise table.refuse(row, column, "a finite number", ", ".join(hints))
