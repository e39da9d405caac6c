"""The configuration and the environment of each sweep, fact by fact, so that sweeps can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prograd.foreign import printable
from prograd_experiments import distinct
from prograd_experiments.config import shown
from prograd_experiments.environment import machine_text
from prograd_experiments.records import Record
from prograd_experiments.rows import NOTHING

MOST_VALUES = 12


@dataclass(frozen=True)
class Fact:
    """A name, and each sweep's values."""

    name: str
    texts: Sequence[str]

    @property
    def differs(self) -> bool:
        """Whether the sweeps disagree."""
        return len(set(self.texts)) > 1


def asked(sweeps: Sequence[Sequence[Record]]) -> list[Fact]:
    """Each key of the configurations with the values that it took, by name."""
    collected = [_collected(pair for record in records for pair in flat(shown(record["config"]))) for records in sweeps]
    return sorted(_facts(collected), key=lambda fact: fact.name)


def surroundings(sweeps: Sequence[Sequence[Record]]) -> list[Fact]:
    """Processor, threads, versions, revision and date, each with all values in a sweep's records."""
    return _facts([_collected(_environments(records)) for records in sweeps])


def flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The dotted keys of a configuration, with values that can be compared."""
    for key, value in distinct.flat(config):
        # A list has no hash, and True would equal 1.
        yield key, _written(value) if isinstance(value, (list, bool)) else value


def _collected(pairs: Iterable[tuple[str, Any]]) -> dict[str, dict[Any, None]]:
    values: dict[str, dict[Any, None]] = {}
    for key, value in pairs:
        values.setdefault(key, {})[value] = None
    return values


def _facts(sweeps: Sequence[Mapping[str, Mapping[Any, None]]]) -> list[Fact]:
    names = dict.fromkeys(name for values in sweeps for name in values)
    return [Fact(name, [_listed(values.get(name, {})) for values in sweeps]) for name in names]


def _listed(values: Mapping[Any, None]) -> str:
    texts = sorted(map(_written, values), key=_numbers_first)
    if len(texts) > MOST_VALUES:
        return f"{', '.join(texts[: MOST_VALUES - 1])}, … {texts[-1]} ({len(texts)} values)"
    return ", ".join(texts) or NOTHING


def _environments(records: Sequence[Record]) -> Iterator[tuple[str, Any]]:
    # Thousands of records have the same environment: each distinct one is described once.
    found = {repr(record["environment"]): record["environment"] for record in records if "environment" in record}
    for environment in found.values():
        yield from _described(environment)
    times = [record["started"] for record in records if record.get("started")]
    if times:
        yield "Begun (UTC)", str(min(times))[:19].replace("T", " ")
    yield from (("Code", str(record["code"])) for record in records if record.get("code"))


def _described(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Processor", environment["cpu"]
    yield "Cores", _cores(environment)
    for blas in environment["blas"]:
        yield "BLAS", f"{blas['name']} {blas['version']}, kernel {blas['kernel']}"
        yield "BLAS threads", str(blas["threads"])
    if found := machine_text(environment):
        yield "Machine of tapes", found
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
    return printable(value) if isinstance(value, str) else json.dumps(value)


def _numbers_first(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text
