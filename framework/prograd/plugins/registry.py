"""The registry of layers, losses and penalties. It is made once, from entry points, and no plugin affects another."""

from __future__ import annotations

import inspect
import os
import textwrap
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, TypeVar

from prograd.errors import OptionError, PluginError, UnknownNameError
from prograd.foreign import let_pass, reason
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.penalty import Penalty
from prograd.plugins import discovery
from prograd.plugins.loading import BrokenPlugin, Kind, Plugin, broken, load

DISABLE: Final = "PROGRAD_DISABLE_PLUGINS"
STRICT: Final = "PROGRAD_STRICT_PLUGINS"
WIDTH: Final = 120  # of lines in the repr

T = TypeVar("T", Layer, Loss, Penalty)


@dataclass(frozen=True)
class Registry:
    """The installed `layers`, `losses` and `penalties` (name -> class), who brings them, and the `broken` plugins."""

    layers: Mapping[str, type[Layer]]
    losses: Mapping[str, type[Loss]]
    plugins: tuple[Plugin, ...]
    broken: tuple[BrokenPlugin, ...]
    penalties: Mapping[str, type[Penalty]] = field(default_factory=dict)

    @property
    def kinds(self) -> Mapping[Kind, Mapping[str, type[Layer | Loss | Penalty]]]:
        """All classes, by kind."""
        return {"layer": self.layers, "loss": self.losses, "penalty": self.penalties}

    def owner(self, kind: Kind, name: str) -> Plugin:
        """The plugin that brings the class of this kind and name."""
        return next(plugin for plugin in self.plugins if name in plugin.kinds[kind])

    def __repr__(self) -> str:
        """A paragraph for each part: the names of all classes, who brings them, and what is broken and why."""
        parts = [
            f"{what}: {', '.join(names) or 'none'}"
            for what, names in (("layers", self.layers), ("losses", self.losses), ("penalties", self.penalties))
        ]
        parts.append(f"plugins: {', '.join(map(str, self.plugins)) or 'none'}")
        parts += [f"broken: {plugin}: {plugin.error}" for plugin in self.broken]
        return "\n".join(textwrap.fill(part, WIDTH, subsequent_indent="    ") for part in parts)


def registry() -> Registry:
    """The registry of this process, made at the first call; other threads wait meanwhile.

    `PROGRAD_DISABLE_PLUGINS=name,…` leaves out distributions or entry points. With `PROGRAD_STRICT_PLUGINS=1` a broken
    plugin raises `PluginError`. A plugin that asks while it is loaded finds those that came before it.

    >>> prograd.registry().layers["tanh"]()
    Tanh()
    """
    with _LOCK:
        return _BEGUN[-1].registry() if _BEGUN else _made()


@cache
def _made() -> Registry:
    sources = discovery.enabled(discovery.find(), os.environ.get(DISABLE, ""))
    begun = _Assembly(strict=os.environ.get(STRICT, "").lower() not in {"", "0", "false", "no"})
    _BEGUN.append(begun)
    try:
        return begun.load(sources)
    finally:
        _BEGUN.remove(begun)


def assemble(sources: Iterable[discovery.Source], *, strict: bool = False) -> Registry:
    """The registry of these plugins. A plugin that fails is listed as broken, brings nothing, and affects no other.

    A name belongs to the first plugin that claims it, so prograd's own names stay with prograd.
    """
    return _Assembly(strict=strict).load(sources)


class _Assembly:
    """The plugins that are loaded so far."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._owners: dict[tuple[Kind, str], Plugin] = {}
        self._plugins: list[Plugin] = []
        self._failed: list[BrokenPlugin] = []

    def load(self, sources: Iterable[discovery.Source]) -> Registry:
        for source in sources:
            self._load(source)
        return self.registry()

    def _load(self, source: discovery.Source) -> None:
        began = time.perf_counter()
        try:
            plugin = replace(load(source), seconds=time.perf_counter() - began)
            self._owners |= _claims(plugin, self._owners)
        except BaseException as error:  # a plugin may even raise SystemExit at import
            let_pass(error)
            if self._strict:
                raise PluginError(f"plugin {source} is broken: {reason(error)}") from error
            self._failed.append(replace(broken(source, error), seconds=time.perf_counter() - began))
        else:
            self._plugins.append(plugin)

    def registry(self) -> Registry:
        return Registry(
            layers=_sorted(plugin.layers for plugin in self._plugins),
            losses=_sorted(plugin.losses for plugin in self._plugins),
            penalties=_sorted(plugin.penalties for plugin in self._plugins),
            plugins=tuple(self._plugins),
            broken=tuple(self._failed),
        )


_LOCK: Final = threading.RLock()
_BEGUN: Final[list[_Assembly]] = []


def layer(name: str, /, **options: Any) -> Layer:
    """A registered layer by name. Raises `UnknownNameError` and `OptionError`.

    >>> prograd.layer("affine", width=32)
    Affine(width=32, bias=True)
    """
    return _build("layer", registry().layers, name, options)


def loss(name: str, /, **options: Any) -> Loss:
    """A registered loss by name. Raises `UnknownNameError` and `OptionError`.

    >>> prograd.loss("huber", delta=0.5)
    Huber(delta=0.5)
    """
    return _build("loss", registry().losses, name, options)


def penalty(name: str, /, **options: Any) -> Penalty:
    """A registered penalty by name. Raises `UnknownNameError` and `OptionError`."""
    return _build("penalty", registry().penalties, name, options)


def _sorted(brought: Iterable[Mapping[str, type[T]]]) -> dict[str, type[T]]:
    return dict(sorted((name, cls) for each in brought for name, cls in each.items()))


def _claims(plugin: Plugin, owners: Mapping[tuple[Kind, str], Plugin]) -> dict[tuple[Kind, str], Plugin]:
    """The names that a plugin claims. Raises `PluginError` if another plugin owns one of them."""
    claims = [(kind, name) for kind, names in plugin.kinds.items() for name in names]
    for kind, name in claims:
        if (kind, name) in owners:
            owner = owners[kind, name]
            raise PluginError(f"two plugins claim the {kind} name {name!r}: {owner}, which keeps it, and {plugin}")
    return dict.fromkeys(claims, plugin)


def _build(kind: str, known: Mapping[str, type[T]], name: str, options: Mapping[str, Any]) -> T:
    if name not in known:
        raise UnknownNameError(kind, name, known, note=_broken_note())
    signature = inspect.signature(known[name])
    accepted = ", ".join(str(parameter).replace("'", "") for parameter in signature.parameters.values()) or "none"
    unknown = ", ".join(map(repr, sorted(set(options) - set(signature.parameters))))
    try:
        signature.bind(**options)
    except TypeError as error:
        what = f"unknown option {unknown}" if unknown else str(error)
        raise OptionError(f"{kind} {name!r}: {what}; accepted options: {accepted}") from error
    return known[name](**options)


def _broken_note() -> str:
    """Which plugins may have brought a name that is missing; a plugin that did not load can't tell."""
    found = registry().broken
    if not found:
        return ""
    verb = "plugin {} is" if len(found) == 1 else "plugins {} are"
    return verb.format(", ".join(map(str, found))) + " broken, see `prograd plugins`"
