"""What tells points apart: the keys that take several values in their configurations, in the shortest words."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from prograd.foreign import printable
from prograd_experiments.config import DIGITS, HASHED, Config

Value = float | str | None


FEWEST_DIGITS, MOST_DIGITS = 3, 17


class Absent(Enum):
    """The value of a key that a configuration does not have."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """A key that varies: its dotted path, the end of the path that no other key has, and each point's value."""

    path: str
    name: str
    values: Sequence[Value]

    @property
    def texts(self) -> Mapping[Any, str]:
        """The values in words; fractions have the fewest digits, at least three, that tell all of them apart."""
        numbers = {value for value in self.values if isinstance(value, float)}
        for digits in range(FEWEST_DIGITS, MOST_DIGITS):
            texts = {value: f"{value:.{digits}g}" for value in numbers}
            if len(set(texts.values())) == len(numbers):
                return texts
        return {}


def keys(configs: Sequence[Config], known: Collection[str] = (), taken: Collection[str] = ()) -> list[Key]:
    """The keys that vary, without those at the paths `known`, which are told already; no name is one of `taken`.

    A path that ends in `.*` stands for all below it. A key whose values are those of another one says nothing new.
    """
    every = _columns(configs)
    told = [values for path, values in every.items() if _is_known(path, known)]
    others = {path: values for path, values in every.items() if not _is_known(path, known) and _count(values) > 1}
    found: dict[str, Sequence[Any]] = {}
    for path, values in others.items():
        several = _count([value for value in values if value is not ABSENT]) > 1
        if several and not any(_says(values, other) for other in (*told, *found.values())):
            found[path] = values
    for path, values in others.items():
        # That some points lack a key tells them apart only if nothing else does.
        seen = [*told, *found.values()]
        if path not in found and _count(list(zip(*seen, values, strict=True))) > _count(list(zip(*seen, strict=True))):
            found[path] = values
    return [Key(path, _name(path, [*found], taken), _shown(path, values)) for path, values in found.items()]


def flat(config: Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of a configuration with their values."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def written(value: object) -> str:
    """A value in words: a layer as `affine(width=8)`, a list without its brackets."""
    if isinstance(value, Mapping):
        name = str(value.get("name", ""))
        options = ", ".join(f"{key}={written(option)}" for key, option in value.items() if key != "name")
        return f"{name}({options})" if options else name
    if isinstance(value, list):
        return ", ".join(map(written, value))
    return printable(value) if isinstance(value, str) else json.dumps(value)


def _columns(configs: Sequence[Config]) -> dict[str, list[Any]]:
    """The value of each path in each configuration, `ABSENT` where it is missing."""
    each = [dict(flat(config)) for config in configs]
    paths = dict.fromkeys(path for config in each for path in config)
    found = {path: [config.get(path, ABSENT) for config in each] for path in paths}
    # A name alone is the same as a group that has this name.
    for path in [path for path in paths if f"{path}.name" in paths]:
        names = zip(found.pop(path), found[f"{path}.name"], strict=True)
        found[f"{path}.name"] = [name if alone is ABSENT else alone for alone, name in names]
    return found


def _is_known(path: str, known: Collection[str]) -> bool:
    return path in known or any(one.endswith(".*") and path.startswith(one[:-1]) for one in known)


def _same(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)  # True is not 1, and a list has no hash


def _count(values: Sequence[Any]) -> int:
    return len({_same(value) for value in values})


def _says(values: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether the values are the other key's; a hash follows from whatever changes with it."""
    if all(map(_is_fingerprint, values)):
        pairs = {(_same(theirs), own) for own, theirs in zip(values, other, strict=True)}
        return len(pairs) == len({theirs for theirs, _ in pairs})
    return list(map(_same, values)) == list(map(_same, other))


def _is_fingerprint(value: object) -> bool:
    return value is ABSENT or (isinstance(value, str) and FINGERPRINT.fullmatch(value) is not None)


def _name(path: str, paths: Sequence[str], taken: Collection[str]) -> str:
    """The last parts of the path, as many as no other path has; the name of a group is called like the group."""
    parts = path.removesuffix(".name").split(".")
    others = [other.removesuffix(".name").split(".") for other in paths if other != path]
    for length in range(1, len(parts) + 1):
        name = " ".join(parts[-length:])
        if name not in taken and all(other[-length:] != parts[-length:] for other in others):
            return name
    return path


def _shown(path: str, values: Sequence[Any]) -> list[Value]:
    if path.rpartition(".")[2] in HASHED:  # a file: the end of its path, if that is enough
        names: list[Value] = [PurePath(value).name if isinstance(value, str) else _one(value) for value in values]
        return names if len(set(names)) == len(set(values)) else [_one(value) for value in values]
    lists = [value for value in values if isinstance(value, list)]
    first, last = _in_common(lists), _in_common([value[::-1] for value in lists])
    shortest = min(map(len, lists), default=0)
    if first + last >= shortest:  # nothing would be left of one of them
        first = last = 0
    return [_one(value[first : len(value) - last] if isinstance(value, list) else value) for value in values]


def _one(value: object) -> Value:
    if value is ABSENT:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return written(value)[:DIGITS] if _is_fingerprint(value) else written(value)


def _in_common(lists: Sequence[Sequence[Any]]) -> int:
    """How many elements all lists begin with."""
    number = 0
    for elements in zip(*lists, strict=False):
        if len({_same(element) for element in elements}) > 1:
            break
        number += 1
    return number
