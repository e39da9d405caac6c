"""Loading one plugin: from its entry point to its layers, losses and penalties, or to the reason why it is broken."""

from __future__ import annotations

import contextlib
import inspect
import re
import traceback as tracebacks
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from prograd.errors import PluginError, UnknownNameError
from prograd.foreign import prints_to_stderr, reason
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.penalty import Penalty
from prograd.plugins import hookspecs
from prograd.plugins.discovery import Origin, Source

Kind: TypeAlias = Literal["layer", "loss", "penalty"]

HOOKS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {"prograd_layers": Layer, "prograd_losses": Loss, "prograd_penalties": Penalty}
)

# Names that need no quotes in a configuration or on a command line.
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
LONGEST_NAME: Final = 100

# Names that YAML or a command line read as something else, in any case.
WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "inf", "nan", "_self_"})

# In a configuration of prograd-run these stand for the loss that fits the data, and for no penalty.
RESERVED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"prograd_losses": frozenset({"default", "by_classes"}), "prograd_penalties": frozenset({"none"})}
)

TRACEBACK_LINES: Final = 12


@dataclass(frozen=True)
class Plugin(Origin):
    """A plugin that loaded, with what it brings and how many `seconds` that took."""

    layers: Mapping[str, type[Layer]] = field(default_factory=dict)
    losses: Mapping[str, type[Loss]] = field(default_factory=dict)
    penalties: Mapping[str, type[Penalty]] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)

    @property
    def kinds(self) -> Mapping[Kind, Mapping[str, type[Layer | Loss | Penalty]]]:
        """All that it brings, by kind."""
        return {"layer": self.layers, "loss": self.losses, "penalty": self.penalties}


@dataclass(frozen=True)
class BrokenPlugin(Origin):
    """A plugin that did not load, with the reason, the last lines of the traceback, and the `seconds` that it took."""

    error: str
    traceback: str = ""
    seconds: float = field(default=0.0, compare=False)


def load(source: Source) -> Plugin:
    """Import a plugin and run its hooks. Raises `PluginError`, or whatever the plugin's own code raises."""
    if source.unreadable:
        raise PluginError(source.unreadable)
    _check_version(source)
    manager = pluggy.PluginManager(hookspecs.PROJECT)  # one for each plugin: a broken plugin leaves nothing behind
    manager.add_hookspecs(hookspecs)
    with _quarantine():
        plugin = source.entry_point.load()
        manager.register(plugin, name=source.name)
        _check_hooks(manager, plugin)
        layers, losses, penalties = (_collect(getattr(manager.hook, name), base) for name, base in HOOKS.items())
    return Plugin(source.name, source.distribution, source.version, layers, losses, penalties)


def broken(source: Source, error: BaseException) -> BrokenPlugin:
    """The record of a plugin that failed with `error`."""
    lines = "".join(tracebacks.format_exception(error)).splitlines(keepends=True)
    traceback = "".join(lines[-TRACEBACK_LINES:])
    return BrokenPlugin(source.name, source.distribution, source.version, reason(error), traceback)


def _check_version(source: Source) -> None:
    """Raise `PluginError` if the plugin's distribution requires another version of prograd."""
    try:
        version = metadata.version(hookspecs.PROJECT)
    except metadata.PackageNotFoundError:  # prograd runs from its folder without being installed, and has no version
        return
    for text in source.requires:
        if not re.match(rf"\s*{hookspecs.PROJECT}(?![\w.-])", text, re.IGNORECASE):
            continue
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise PluginError(
                f"{source.distribution} {source.version}: expected prograd {requirement.specifier}, got prograd "
                f"{version}; install a version of {canonicalize_name(source.distribution)} that fits"
            )


@contextlib.contextmanager
def _quarantine() -> Iterator[None]:
    """Isolate a plugin while it loads: what it prints, what it warns of, and what it sets for numpy.

    Its warnings are shown and not raised, even if the user turned warnings into errors: that setting is meant for the
    user's own code.
    """
    with prints_to_stderr(), np.errstate(), warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raise an error for what pluggy passes over in silence: a hook that is misspelt, unmarked or missing."""
    for name in dir(plugin):
        meant = get_close_matches(name, HOOKS, n=1, cutoff=0.8)
        unmarked = manager.parse_hookimpl_opts(plugin, name) is None
        if meant and unmarked and inspect.isroutine(inspect.getattr_static(plugin, name)):
            raise PluginError(f"{name}: expected a hook named {meant[0]}, got a function without @prograd.hookimpl")
    hooks = manager.get_hookcallers(plugin) or []
    for hook in hooks:
        if not hook.has_spec() and not all(implementation.optionalhook for implementation in hook.get_hookimpls()):
            raise UnknownNameError("hook", hook.name, HOOKS)
    if not any(hook.has_spec() for hook in hooks):
        raise PluginError(f"expected a function {' or '.join(HOOKS)} with @prograd.hookimpl above it, got none")


def _collect(hook: pluggy.HookCaller, base: type[Any]) -> dict[str, type[Any]]:
    """What the implementations of a hook return, checked. They are called one by one: pluggy's call drops a None."""
    collected: dict[str, type[Any]] = {}
    for implementation in hook.get_hookimpls():
        result: object = implementation.function()
        if not isinstance(result, Mapping):
            raise PluginError(f"{hook.name}: expected a dict {{name: class}}, got {type(result).__name__}")
        for name, cls in result.items():
            _check_entry(hook.name, base, name, cls)
            collected[name] = cls
    return collected


def _check_entry(hook: str, base: type[Any], name: object, cls: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise PluginError(
            f"{hook}: expected a name that a command line takes (a letter or '_', then letters, digits, '_', '-' and "
            f"'.', at most {LONGEST_NAME}), got {name!r}"
        )
    if name.lower() in WORDS:
        raise PluginError(f"{hook}: expected a name that reads as text in a configuration, got {name!r}")
    if name in RESERVED.get(hook, ()):
        raise PluginError(f"{hook}: expected a name that prograd-run has no meaning for, got {name!r}")
    if not isinstance(cls, type) or not issubclass(cls, base):
        hint = "; give the class, not an instance of it" if isinstance(cls, base) else ""
        raise PluginError(f"{hook}: expected a subclass of {base.__name__} for {name!r}, got {cls!r}{hint}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{hook}: expected a class that defines {missing} for {name!r}, got {cls!r}")
