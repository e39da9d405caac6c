"""What a configuration can hold of a layer or a loss: a name that reads as itself, and options that are plain data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

LONGEST_NAME: Final = 100

WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "inf", "nan", "_self_"})
"""Names that YAML or Hydra's command line read as something else, in any case."""

RESERVED: Final = frozenset({"default", "by_classes"})
"""In a configuration of prograd-run these stand for the loss that fits the data."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The `known` options with plain defaults, or `dataclasses.MISSING`, and why others are `left_out`."""

    known: Mapping[str, Any]
    left_out: Mapping[str, str]


def options(cls: type[object]) -> Options:
    """The options of a layer or a loss. The class fills in those that are left out by itself, with its defaults."""
    known: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if not field.init:
            continue
        if field.name == "name":
            left_out["name"] = "in a configuration, name is the name of the layer or the loss"
            continue
        try:
            known[field.name] = _plain(_default(field))
        except _NotPlainError as error:
            left_out[field.name] = str(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (a plugin makes the default, and may even raise SystemExit)
            left_out[field.name] = f"its default raises {type(error).__name__}: {error}"
    return Options(known, left_out)


class _NotPlainError(Exception):
    """A default that is not plain data."""


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _plain(value: Any) -> Any:
    """The value, with numpy's scalars as Python's. Raises `_NotPlainError`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is dataclasses.MISSING or type(value) in {type(None), bool, int}:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str and _is_text(value):
        return value
    if type(value) in {list, tuple}:
        return [_plain(one) for one in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(one) for key, one in value.items()}
    kinds = "a finite number, text without '${', true, false, None, or a list or dict of these"
    shown = repr(value) if type(value) in {str, float} else type(value).__name__
    raise _NotPlainError(f"expected a default that is {kinds}, got {shown}")


def _is_text(value: str) -> bool:
    """Whether the text means itself in a configuration, and is Unicode: a lone surrogate can't be written."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "${" not in value and value != "???"
