"""Which plugins are installed: read from the metadata of distributions, so that nothing is imported to know it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.utils import canonicalize_name

from prograd.hookspecs import GROUP

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Source:
    """Where a plugin is to be found: its entry point, the distribution that it came with, and what that requires.

    `unreadable` says why the metadata can't be used, where it can't.
    """

    name: str
    value: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    unreadable: str = ""

    @property
    def owner(self) -> str:
        """The distribution's name as it is compared: PEP 503 holds `My.Plugin` and `my-plugin` for one."""
        return canonicalize_name(self.distribution)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}"


def find() -> list[Source]:
    """Every plugin installed, prograd's own first, then by distribution and name.

    Two distributions may use one entry-point name: both are found. Discovery itself follows the file system's order,
    which differs between machines.
    """
    distributions, sources = _with_group(GROUP)
    for distribution in distributions:
        try:
            sources += _sources(distribution)
        except Exception as error:  # noqa: BLE001
            sources.append(_unreadable(distribution.name, error))
    return sorted(sources, key=_order)


def entry_points(group: str) -> list[metadata.EntryPoint]:
    """The entry points of a group that can be read: `importlib.metadata`'s own stop at the first that can't."""
    found: list[metadata.EntryPoint] = []
    for distribution in _with_group(group)[0]:
        with contextlib.suppress(Exception):
            found += distribution.entry_points.select(group=group)
    return sorted(found, key=lambda point: (point.name, point.value))


def enabled(sources: Iterable[Source], disabled: str) -> list[Source]:
    """Those that `disabled`, a list `name,…` of distributions or entry points, leaves."""
    names = {name.strip() for name in disabled.split(",") if name.strip()}
    owners = {canonicalize_name(name) for name in names}
    return [source for source in sources if source.name not in names and source.owner not in owners]


def _with_group(group: str) -> tuple[list[metadata.Distribution], list[Source]]:
    """The distributions that have entry points in this group, and those of which that can't be told."""
    names: dict[str, str] = {}
    unreadable = []
    for distribution in metadata.distributions():
        try:
            if f"[{group}]" in (distribution.read_text("entry_points.txt") or ""):
                names[canonicalize_name(distribution.name)] = distribution.name
        except Exception as error:  # noqa: BLE001  (half-removed installations: whatever is wrong with one is its own)
            unreadable.append(_unreadable(UNKNOWN, error))
    # Of several copies on the path the first is the one that is imported, also where it has no plugin any more.
    return [metadata.distribution(name) for name in names.values()], unreadable


def _sources(distribution: metadata.Distribution) -> list[Source]:
    return [
        Source(point.name, point.value, distribution.name, distribution.version, tuple(distribution.requires or ()))
        for point in distribution.entry_points.select(group=GROUP)
    ]


def _unreadable(distribution: str, error: Exception) -> Source:
    why = f"the metadata of its distribution can't be read: {type(error).__name__}: {error}"
    return Source(UNKNOWN, "", distribution, UNKNOWN, unreadable=why)


def _order(source: Source) -> tuple[bool, str, str, str]:
    return source.owner != GROUP, source.owner, source.name, source.value
