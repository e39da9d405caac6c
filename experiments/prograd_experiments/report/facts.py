"""What was asked in each sweep and where it ran, fact by fact, so that two sweeps can be laid beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prograd_experiments.records import Record

MOST_VALUES = 12
NONE = "–"


@dataclass(frozen=True)
class Fact:
    """A name, and what each sweep has there."""

    name: str
    texts: Sequence[str]

    @property
    def differs(self) -> bool:
        """Whether the sweeps disagree."""
        return len(set(self.texts)) > 1


def asked(sweeps: Sequence[Sequence[Record]]) -> list[Fact]:
    """Each key of the configurations with the values that it took."""
    return _beside([_collected(flat(record["config"]) for record in records) for records in sweeps], sort=True)


def surroundings(sweeps: Sequence[Sequence[Record]]) -> list[Fact]:
    """Processor, threads, versions, revision and when: each with all that a sweep's records say."""
    return _beside([_collected(_environments(records)) for records in sweeps], sort=False)


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a configuration, dotted, with values that can be compared."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            # A list can't be hashed, and True would be the same as 1.
            yield f"{prefix}{key}", _written(value) if isinstance(value, (list, bool)) else value


def _collected(pairs: Iterator[Iterator[tuple[str, Any]]]) -> dict[str, dict[Any, None]]:
    values: dict[str, dict[Any, None]] = {}
    for record in pairs:
        for key, value in record:
            values.setdefault(key, {})[value] = None
    return values


def _beside(sweeps: Sequence[Mapping[str, Mapping[Any, None]]], *, sort: bool) -> list[Fact]:
    names = list(dict.fromkeys(name for values in sweeps for name in values))
    return [
        Fact(name, [_listed(values.get(name, {})) for values in sweeps]) for name in (sorted(names) if sort else names)
    ]


def _listed(values: Mapping[Any, None]) -> str:
    texts = sorted(map(_written, values), key=_naturally)
    if len(texts) > MOST_VALUES:
        return f"{', '.join(texts[: MOST_VALUES - 1])}, … {texts[-1]} ({len(texts)} values)"
    return ", ".join(texts) or NONE


def _environments(records: Sequence[Record]) -> Iterator[Iterator[tuple[str, Any]]]:
    # Thousands of records say the same: it is told once.
    found = {repr(record["environment"]): record["environment"] for record in records if "environment" in record}
    for environment in found.values():
        yield _described(environment)
    times = sorted(record["started"] for record in records if record.get("started"))
    if times:
        yield iter([("Begun (UTC)", str(times[0])[:19].replace("T", " "))])
    codes = {str(record["code"]): None for record in records if record.get("code")}
    yield iter([("Code", code) for code in codes])


def _described(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Processor", environment["cpu"]
    yield "Cores", _cores(environment)
    for blas in environment["blas"]:
        yield "BLAS", f"{blas['name']} {blas['version']}, kernel {blas['kernel']}"
        yield "BLAS threads", str(blas["threads"])
    yield "System", environment["platform"]
    yield "Python", environment["python"]
    for name, version in environment["packages"].items():
        if version:
            yield name, version
    for plugin in environment["plugins"]:
        yield "Plugins", f"{plugin['name']} ({plugin['distribution']} {plugin['version']})"
    git = environment["git"]
    yield "Revision", f"{git['revision']}{', with changes' if git['dirty'] else ''}" if git else "not in a checkout"


def _cores(environment: Mapping[str, Any]) -> str:
    every, available = environment["cores"], environment["cores_available"]
    return str(every) if available in {None, every} else f"{available} of {every} available"


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _naturally(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text
