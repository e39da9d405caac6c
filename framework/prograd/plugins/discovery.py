"""Which plugins and commands are installed. This reads the metadata of distributions and imports none of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from packaging.utils import canonicalize_name

from prograd.errors import PluginError
from prograd.plugins.hookspecs import PROJECT

GROUP: Final = "prograd"
"""The entry-point group of plugins."""


@dataclass(frozen=True)
class Origin:
    """The entry point of a plugin or a command, and the distribution that it belongs to."""

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class Source(Origin):
    """An entry point that is not imported yet, with the requirements of its distribution.

    `unreadable` says why the metadata can't be read, or is empty.
    """

    value: str
    requires: tuple[str, ...] = ()
    unreadable: str = ""

    @property
    def owner(self) -> str:
        """The name of the distribution in normal form: PEP 503 treats `My.Plugin` and `my-plugin` as equal."""
        return canonicalize_name(self.distribution)

    @property
    def entry_point(self) -> metadata.EntryPoint:
        """The entry point itself. Raises `PluginError` if it names no module."""
        point = metadata.EntryPoint(self.name, self.value, GROUP)
        if not point.pattern.match(self.value):
            raise PluginError(f"entry point {self.name!r}: expected a module, or module:object, got {self.value!r}")
        return point


def find(group: str = GROUP) -> list[Source]:
    """Every entry point of a group: prograd's own first, then the others, sorted by distribution and name.

    If two distributions use the same name, both are found. Without sorting, the order would be that of the file system,
    which differs between machines.
    """
    names: dict[str, str] = {}
    found: list[Source] = []
    for distribution in metadata.distributions():
        try:
            if f"[{group}]" in (distribution.read_text("entry_points.txt") or ""):
                names[canonicalize_name(distribution.name)] = distribution.name
        except Exception as error:  # noqa: BLE001  (an installation that is half removed can fail in any way)
            found.append(_unreadable("unknown", error))
    for name in names.values():
        try:
            found += _sources(name, group)
        except Exception as error:  # noqa: BLE001  (as above)
            found.append(_unreadable(name, error))
    return sorted(found, key=lambda source: (source.owner != PROJECT, source.owner, source.name, source.value))


def enabled(sources: Iterable[Source], disabled: str) -> list[Source]:
    """The sources without those in `disabled`, which is a list `name,…` of distributions or entry points."""
    names = {name.strip() for name in disabled.split(",") if name.strip()}
    owners = {canonicalize_name(name) for name in names}
    return [source for source in sources if source.name not in names and source.owner not in owners]


def _sources(name: str, group: str) -> list[Source]:
    # If the path has several copies, Python imports the first, so that one counts even if it has no plugin any more.
    distribution = metadata.distribution(name)
    requires = tuple(distribution.requires or ())
    return [
        Source(point.name, distribution.name, distribution.version, point.value, requires)
        for point in distribution.entry_points.select(group=group)
    ]


def _unreadable(distribution: str, error: Exception) -> Source:
    why = f"the metadata of its distribution can't be read: {type(error).__name__}: {error}"
    return Source("unknown", distribution, "unknown", value="", unreadable=why)
