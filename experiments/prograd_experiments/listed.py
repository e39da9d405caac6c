"""Points that are listed one by one, in a file or on the command line, beside products of choices."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError

KEY = "points"
EXPECTED = "a CSV file with a heading of keys, or a list such as [{depth: 2, width: 64}, {depth: 4, width: 32}]"


def points(value: object) -> list[dict[str, str]]:
    """The overrides of each point by key; a value is what one would write after `key=`. Raises `ConfigError`."""
    found = list(_in_file(Path(value)) if isinstance(value, str) else _in_list(value))
    if not found:
        raise read.refused(KEY, "at least one point", "none")
    for number, point in enumerate(found, 1):
        _check(f"{KEY}: point {number}", point)
    return found


def _in_file(path: Path) -> Iterator[dict[str, str]]:
    try:
        lines = list(csv.reader(path.read_text("utf-8-sig").splitlines(), skipinitialspace=True))
    except OSError as error:
        raise read.refused(KEY, EXPECTED, str(path), str(error.strerror)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise read.refused(KEY, EXPECTED, str(path), f"it is no CSV in UTF-8: {error}") from error
    heading, *rows = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)] or [[]]
    if len(set(heading)) < len(heading) or not all(heading):
        raise ConfigError(f"{path}: expected a heading of different keys, got {', '.join(heading)}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(heading):
            hint = "a value with a comma needs quotes"
            raise ConfigError(f"{path}, line {number}: expected {len(heading)} cells, got {len(row)}; {hint}")
        yield {key: cell for key, cell in zip(heading, row, strict=True) if cell}


def _in_list(value: object) -> Iterator[dict[str, str]]:
    if not isinstance(value, list) or not all(isinstance(point, Mapping) and point for point in value):
        raise read.refused(KEY, EXPECTED, value)
    for point in value:
        yield {str(key): _quoted(inner) for key, inner in point.items()}


def _quoted(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_quoted(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace("'", "\\'")
        return text if text.isidentifier() else f"'{text}'"
    return json.dumps(value)


def _check(where: str, point: Mapping[str, str]) -> None:
    for key, text in point.items():
        if key.partition(".")[0] in read.HOW_TO_RUN:
            raise ConfigError(f"{where}: expected keys of what is measured, got {key}")
        try:
            override = OverridesParser.create().parse_override(f"{key}={text}")
        except HydraException as error:
            raise ConfigError(f"{where}: expected KEY=VALUE as on the command line, got {key}={text}") from error
        if override.is_sweep_override():
            raise ConfigError(f"{where}: expected one value of {key}, got {text}; the command line may sweep over it")


def as_overrides(found: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """Each point as overrides."""
    return [[f"{key}={text}" for key, text in point.items()] for point in found]
