"""Which layers and losses are installed: found once through entry points, each plugin isolated from the others."""

from __future__ import annotations

import inspect
import os
import traceback as tracebacks
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from prograd import hookspecs
from prograd.errors import OptionError, PluginError, UnknownNameError
from prograd.layer import Layer
from prograd.loss import Loss

GROUP = "prograd"
DISABLE = "PROGRAD_DISABLE_PLUGINS"
STRICT = "PROGRAD_STRICT_PLUGINS"

LayerOrLoss = TypeVar("LayerOrLoss", Layer, Loss)


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded: its entry point, who distributes it, and what it brought."""

    name: str
    distribution: str
    version: str
    layers: Mapping[str, type[Layer]] = field(default_factory=dict)
    losses: Mapping[str, type[Loss]] = field(default_factory=dict)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that did not load: why, and the last lines of the traceback."""

    name: str
    distribution: str
    version: str
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Registry:
    """What is installed: `.layers` and `.losses` (name -> class), who brought what, and what failed and why."""

    layers: Mapping[str, type[Layer]]
    losses: Mapping[str, type[Loss]]
    plugins: tuple[Plugin, ...]
    broken: tuple[BrokenPlugin, ...]


@cache
def registry() -> Registry:
    """The registry of this process, made at the first call.

    `PROGRAD_DISABLE_PLUGINS=name,…` leaves out distributions or entry points; with `PROGRAD_STRICT_PLUGINS=1` a broken
    plugin raises `PluginError`.
    """
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()}
    return load(entry_points(group=GROUP), disabled=disabled, strict=os.environ.get(STRICT, "") not in {"", "0"})


def load(found: Iterable[EntryPoint], *, disabled: Iterable[str] = (), strict: bool = False) -> Registry:
    """The registry of these entry points. A plugin that fails is listed as broken and affects no other.

    prograd's own plugins come first, then the others in the order of their distributions and names, since discovery
    follows the file system's order, which differs between machines.
    """
    excluded = frozenset(disabled)
    layers: dict[str, type[Layer]] = {}
    losses: dict[str, type[Loss]] = {}
    owners: dict[tuple[str, str], Plugin] = {}
    plugins: list[Plugin] = []
    broken: list[BrokenPlugin] = []
    for point in sorted(found, key=_order):
        distribution, version = _origin(point)
        if excluded & {point.name, distribution}:
            continue
        try:
            plugin = _load_one(point, distribution, version)
            _claim(plugin, owners)
        except Exception as error:
            if strict:
                raise PluginError(f"plugin {point.name!r} of {distribution} {version} is broken: {error}") from error
            broken.append(BrokenPlugin(point.name, distribution, version, _reason(error), _last_lines(error)))
        else:
            plugins.append(plugin)
            layers.update(plugin.layers)
            losses.update(plugin.losses)
    return Registry(dict(sorted(layers.items())), dict(sorted(losses.items())), tuple(plugins), tuple(broken))


def layer(name: str, /, **options: Any) -> Layer:  # noqa: ANN401  (whatever the layer takes)
    """A registered layer by name. Raises `UnknownNameError` and `OptionError`."""
    return _build("layer", registry().layers, name, options)


def loss(name: str, /, **options: Any) -> Loss:  # noqa: ANN401  (whatever the loss takes)
    """A registered loss by name. Raises `UnknownNameError` and `OptionError`."""
    return _build("loss", registry().losses, name, options)


def _build(kind: str, known: Mapping[str, type[LayerOrLoss]], name: str, options: Mapping[str, Any]) -> LayerOrLoss:
    if name not in known:
        raise UnknownNameError(kind, name, known)
    cls = known[name]
    unknown = sorted(set(options) - set(inspect.signature(cls).parameters))
    if unknown:
        raise OptionError(
            f"{kind} {name!r}: unknown option {', '.join(map(repr, unknown))}; accepted options: {_options(cls)}"
        )
    try:
        inspect.signature(cls).bind(**options)
    except TypeError as error:
        raise OptionError(f"{kind} {name!r}: {error}; accepted options: {_options(cls)}") from error
    return cls(**options)


def _options(cls: type[object]) -> str:
    if is_dataclass(cls):
        names = [f.name for f in fields(cls) if f.init]
        return ", ".join(str(inspect.signature(cls).parameters[name]).replace("'", "") for name in names) or "none"
    return ", ".join(map(str, inspect.signature(cls).parameters.values())) or "none"


def _load_one(point: EntryPoint, distribution: str, version: str) -> Plugin:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(point.load(), name=point.name)
    manager.check_pending()
    layers = _collect(manager.hook.prograd_layers(), "prograd_layers", Layer)
    losses = _collect(manager.hook.prograd_losses(), "prograd_losses", Loss)
    return Plugin(point.name, distribution, version, layers, losses)


def _collect(results: list[object], hook: str, base: type[Any]) -> dict[str, type[Any]]:
    collected: dict[str, type[Any]] = {}
    for result in results:
        if not isinstance(result, Mapping):
            raise PluginError(f"{hook} must return a dict {{name: class}}, got {type(result).__name__}")
        for name, cls in result.items():
            if not isinstance(name, str) or not (isinstance(cls, type) and issubclass(cls, base)):
                raise PluginError(
                    f"{hook}: expected a subclass of {base.__name__} for each name, got {cls!r} for {name!r}"
                )
            collected[name] = cls
    return collected


def _claim(plugin: Plugin, owners: dict[tuple[str, str], Plugin]) -> None:
    claims = [("layer", name) for name in plugin.layers] + [("loss", name) for name in plugin.losses]
    for claim in claims:
        if claim in owners:
            owner = owners[claim]
            raise PluginError(
                f"the {claim[0]} name {claim[1]!r} is claimed by two plugins: {owner.name!r} of {owner.distribution} "
                f"{owner.version}, which keeps it, and {plugin.name!r} of {plugin.distribution} {plugin.version}"
            )
    owners.update(dict.fromkeys(claims, plugin))


def _order(point: EntryPoint) -> tuple[bool, str, str, str]:
    distribution, _ = _origin(point)
    return distribution != GROUP, distribution, point.name, point.value


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "unknown")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _last_lines(error: Exception, lines: int = 8) -> str:
    return "".join("".join(tracebacks.format_exception(error)).splitlines(keepends=True)[-lines:])
