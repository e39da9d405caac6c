"""Which layers and losses there are: found once through entry points, each plugin isolated from the others."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar

from prograd import discovery
from prograd.errors import OptionError, PluginError, UnknownNameError
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.plugin import BrokenPlugin, Plugin, broken, load, reason

DISABLE: Final = "PROGRAD_DISABLE_PLUGINS"
STRICT: Final = "PROGRAD_STRICT_PLUGINS"

LayerOrLoss = TypeVar("LayerOrLoss", Layer, Loss)

__all__ = ["DISABLE", "STRICT", "BrokenPlugin", "Plugin", "Registry", "assemble", "layer", "loss", "registry"]


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
    sources = discovery.enabled(discovery.find(), os.environ.get(DISABLE, ""))
    return assemble(sources, strict=os.environ.get(STRICT, "").lower() not in {"", "0", "false", "no"})


def assemble(sources: Iterable[discovery.Source], *, strict: bool = False) -> Registry:
    """The registry of these plugins. One that fails is listed as broken, brings nothing, and affects no other.

    A name belongs to the first plugin that claims it, so prograd's own names stay with prograd.
    """
    owners: dict[tuple[str, str], Plugin] = {}
    plugins: list[Plugin] = []
    failed: list[BrokenPlugin] = []
    for source in sources:
        try:
            plugin = load(source)
            owners |= _claims(plugin, owners)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit at import is as broken as any other error
            if strict:
                raise PluginError(f"plugin {source} is broken: {reason(error)}") from error
            failed.append(broken(source, error))
        else:
            plugins.append(plugin)
    return Registry(
        layers=dict(sorted((name, cls) for plugin in plugins for name, cls in plugin.layers.items())),
        losses=dict(sorted((name, cls) for plugin in plugins for name, cls in plugin.losses.items())),
        plugins=tuple(plugins),
        broken=tuple(failed),
    )


def layer(name: str, /, **options: Any) -> Layer:
    """A registered layer by name. Raises `UnknownNameError` and `OptionError`."""
    return _build("layer", registry().layers, name, options)


def loss(name: str, /, **options: Any) -> Loss:
    """A registered loss by name. Raises `UnknownNameError` and `OptionError`."""
    return _build("loss", registry().losses, name, options)


def _build(kind: str, known: Mapping[str, type[LayerOrLoss]], name: str, options: Mapping[str, Any]) -> LayerOrLoss:
    if name not in known:
        raise UnknownNameError(kind, name, known, note=_broken_note())
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


def _broken_note() -> str:
    """Whose names may be missing; a plugin that did not load can't tell which it would have brought."""
    found = registry().broken
    if not found:
        return ""
    verb = "plugin {} is" if len(found) == 1 else "plugins {} are"
    return verb.format(", ".join(map(str, found))) + " broken, see `prograd plugins`"


def _options(cls: type[object]) -> str:
    if is_dataclass(cls):
        names = [f.name for f in fields(cls) if f.init]
        return ", ".join(str(inspect.signature(cls).parameters[name]).replace("'", "") for name in names) or "none"
    return ", ".join(map(str, inspect.signature(cls).parameters.values())) or "none"


def _claims(plugin: Plugin, owners: Mapping[tuple[str, str], Plugin]) -> dict[tuple[str, str], Plugin]:
    """The names that a plugin claims. Raises `PluginError` if one belongs to another plugin, and names both."""
    claims = [("layer", name) for name in plugin.layers] + [("loss", name) for name in plugin.losses]
    for kind, name in claims:
        if (kind, name) in owners:
            owner = owners[kind, name]
            raise PluginError(f"two plugins claim the {kind} name {name!r}: {owner}, which keeps it, and {plugin}")
    return dict.fromkeys(claims, plugin)
