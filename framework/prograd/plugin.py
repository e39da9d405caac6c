"""One plugin: from its entry point to the layers and losses that it brings, or to why it is broken."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import traceback as tracebacks
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pluggy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from prograd import hookspecs
from prograd.discovery import Source
from prograd.errors import PluginError
from prograd.layer import Layer
from prograd.loss import Loss

HOOKS: Final[Mapping[str, type[Any]]] = MappingProxyType({"prograd_layers": Layer, "prograd_losses": Loss})

# What can stand in a configuration and on a command line without quotes.
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

TRACEBACK_LINES: Final = 12


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded: its entry point, who distributes it, and what it brought."""

    name: str
    distribution: str
    version: str
    layers: Mapping[str, type[Layer]] = field(default_factory=dict)
    losses: Mapping[str, type[Loss]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that did not load: why, and the last lines of the traceback."""

    name: str
    distribution: str
    version: str
    error: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} {self.version}"


def load(source: Source) -> Plugin:
    """Imports a plugin and runs its hooks. Raises `PluginError`, or whatever the plugin's own code raises."""
    if source.unreadable:
        raise PluginError(source.unreadable)
    _check_versions(source)
    with _kept_apart():
        plugin = _import(source)
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        _check_hooks(plugin, manager)
        manager.register(plugin, name=source.name)
        layers = _collect(manager, "prograd_layers")
        losses = _collect(manager, "prograd_losses")
    return Plugin(source.name, source.distribution, source.version, layers, losses)


def broken(source: Source, error: BaseException) -> BrokenPlugin:
    """The record of a plugin that failed with `error`."""
    return BrokenPlugin(source.name, source.distribution, source.version, reason(error), _last_lines(error))


def reason(error: BaseException) -> str:
    """What went wrong, in a line: prograd's own messages as they are, others with the kind of error."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (a message that can't be made is no reason to fail)
        text = "(its message can't be shown)"
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_versions(source: Source) -> None:
    """Raises `PluginError` if the plugin's distribution requires another version of prograd; nothing is imported."""
    try:
        version = metadata.version(hookspecs.PROJECT)
    except metadata.PackageNotFoundError:  # run from its folder, without being installed: then it has no version
        return
    for text in source.requires:
        if not re.match(rf"\s*{hookspecs.PROJECT}(?![\w.-])", text, re.IGNORECASE):
            continue
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise PluginError(
                f"{source.distribution} {source.version} was written for prograd {requirement.specifier}, and this is "
                f"prograd {version}; install a version of {canonicalize_name(source.distribution)} that fits"
            )


@contextlib.contextmanager
def _kept_apart() -> Iterator[None]:
    """What a plugin prints, warns of or sets for numpy while it loads reaches nobody who didn't ask for it.

    Printing goes to stderr, since stdout may be read by a program. Where warnings are errors, they are those of the
    user's own code: a plugin's are shown.
    """
    with contextlib.redirect_stdout(sys.stderr), np.errstate(), warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


def _import(source: Source) -> object:
    point = metadata.EntryPoint(source.name, source.value, hookspecs.GROUP)
    if not point.pattern.match(source.value):
        raise PluginError(f"its entry point is {source.value!r}; expected a module, or module:object")
    return point.load()


def _check_hooks(plugin: object, manager: pluggy.PluginManager) -> None:
    """Raises `PluginError` for hooks that would be passed over in silence: misspelt, not marked, or none at all."""
    hooks = " or ".join(HOOKS)
    found = False
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            hook = options.get("specname") or name
            found = found or hook in HOOKS
            if hook not in HOOKS and not options.get("optionalhook"):
                raise PluginError(f"there is no hook named {hook}; did you mean {_closest(hook) or hooks}?")
        elif (meant := _closest(name)) and inspect.isroutine(inspect.getattr_static(plugin, name)):
            renamed = "" if name == meant else f", and name it {meant}"
            raise PluginError(f"the function {name} is not marked as a hook: put @prograd.hookimpl above it{renamed}")
    if not found:
        raise PluginError(f"it has no hook: expected a function {hooks} with @prograd.hookimpl above it")


def _closest(name: str) -> str:
    """The hook that this name is, or is nearly, and otherwise an empty string."""
    return next(iter(get_close_matches(name, HOOKS, n=1, cutoff=0.8)), "")


def _collect(manager: pluggy.PluginManager, hook: str) -> dict[str, type[Any]]:
    """What the implementations of a hook return, checked; called one by one, since pluggy's own call drops a None."""
    collected: dict[str, type[Any]] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        result: object = implementation.function()
        if not isinstance(result, Mapping):
            raise PluginError(f"{hook} must return a dict {{name: class}}, got {type(result).__name__}")
        for name, cls in result.items():
            _check_entry(hook, name, cls)
            collected[name] = cls
    return collected


def _check_entry(hook: str, name: object, cls: object) -> None:
    base = HOOKS[hook]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PluginError(
            f"{hook}: a name is a letter or '_', then letters, digits, '_', '-' and '.', so that it can be given on a "
            f"command line; got {name!r}"
        )
    if not isinstance(cls, type) or not issubclass(cls, base):
        hint = ": give the class, not an object of it" if isinstance(cls, base) else ""
        raise PluginError(f"{hook}: expected a subclass of {base.__name__} for {name!r}, got {cls!r}{hint}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{hook}: {cls.__name__}, registered as {name!r}, does not define {missing}")


def _last_lines(error: BaseException) -> str:
    lines = "".join(tracebacks.format_exception(error)).splitlines(keepends=True)
    return "".join(lines[-TRACEBACK_LINES:])
