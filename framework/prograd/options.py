"""Checks of the options of a layer, a loss or a penalty, for its `__post_init__`:

    @dataclass(frozen=True)
    class Elu(Elementwise):
        alpha: float = 1.0

        def __post_init__(self):
            options.real(self, "alpha", above=0)

Each check raises `OptionError`, which names the option, what was expected and what came. Numbers are stored as Python's
own: numpy's would turn float32 arrays into float64. `plain` tells which options a configuration can hold.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from prograd.errors import OptionError
from prograd.foreign import let_pass, reason
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.penalty import Penalty

Owner: TypeAlias = Layer | Loss | Penalty


def integer(owner: Owner, option: str, *, least: int = 1) -> None:
    """An integer, at least `least`."""
    value = getattr(owner, option)
    if not _is_integer(value, least):
        _refuse(owner, option, f"an integer of at least {least}", value)
    _store(owner, option, int(value))


def integers(owner: Owner, option: str, names: Sequence[str], *, least: int = 1) -> None:
    """A tuple or list of integers, one for each name and each at least `least`. It is stored as a tuple."""
    value = getattr(owner, option)
    right = isinstance(value, (tuple, list)) and len(value) == len(names) and all(_is_integer(k, least) for k in value)
    if not right:
        _refuse(owner, option, f"[{', '.join(names)}], integers of at least {least}", value)
    _store(owner, option, tuple(map(int, value)))


def per_axis(owner: Owner, option: str, axes: Sequence[str], *, least: int = 1) -> None:
    """An integer for all axes, or a tuple or list with one for each; at least `least`.

    It is stored as an integer if all are equal, so that 3 and [3, 3] are the same, and otherwise as a tuple.
    """
    value = getattr(owner, option)
    each = [value] * len(axes) if isinstance(value, Integral) else value
    right = isinstance(each, (tuple, list)) and len(each) == len(axes) and all(_is_integer(k, least) for k in each)
    if not right:
        _refuse(owner, option, f"an integer of at least {least}, or [{', '.join(axes)}] of them", value)
    sizes = tuple(map(int, each))
    _store(owner, option, sizes if len(set(sizes)) > 1 else sizes[0])


def real(owner: Owner, option: str, *, above: float = -math.inf, least: float = -math.inf) -> None:
    """A finite number, greater than `above` and at least `least`."""
    value = getattr(owner, option)
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value <= above or value < least:
        bounds = [f" greater than {above:g}"] * (above > -math.inf) + [f" of at least {least:g}"] * (least > -math.inf)
        _refuse(owner, option, f"a finite number{' and'.join(bounds)}", value)
    _store(owner, option, float(value))


def flag(owner: Owner, option: str) -> None:
    """True or False."""
    value = getattr(owner, option)
    if not isinstance(value, bool):
        _refuse(owner, option, "true or false", value)


def one_of(owner: Owner, option: str, words: Sequence[str]) -> None:
    """One of these words."""
    value = getattr(owner, option)
    if not isinstance(value, str) or value not in words:
        _refuse(owner, option, f"one of {', '.join(words)}", value)
    _store(owner, option, str(value))


def check_range(owner: Owner, dtype: np.dtype[Any], where: str = "") -> None:
    """Raises `OptionError` for an option that is zero or infinite in numbers of this type; inner layers' as well."""
    limits = np.finfo(dtype)
    least, most = float(limits.tiny), float(limits.max)
    for option, value in vars(owner).items():
        if isinstance(value, float) and math.isfinite(value) and value and not least <= abs(value) <= most:
            _refuse(owner, option, f"a number that {dtype} can hold, which w and x have", value, where)
        for inner in _inner_layers(value):
            check_range(inner, dtype, where)


@dataclasses.dataclass(frozen=True)
class Plain:
    """The `known` options with plain defaults, or `dataclasses.MISSING`, and why the others are `left_out`."""

    known: Mapping[str, Any]
    left_out: Mapping[str, str]


def plain(cls: type[object]) -> Plain:
    """The options that a configuration can hold. The class fills in the others by itself, with its defaults."""
    known: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if not field.init:
            continue
        if field.name == "name":
            left_out["name"] = "in a configuration, name is the name of the layer, the loss or the penalty"
            continue
        try:
            known[field.name] = _plain(_default(field))
        except _NotPlainError as error:
            left_out[field.name] = str(error)
        except BaseException as error:  # noqa: BLE001  (a plugin makes the default, and may even raise SystemExit)
            let_pass(error)
            left_out[field.name] = f"its default raises {reason(error)}"
    return Plain(known, left_out)


def _is_integer(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _inner_layers(value: object) -> Iterator[Layer]:
    """The layers in an option that is a tuple, or a tuple of tuples."""
    if isinstance(value, tuple):
        for one in value:
            yield from (one,) if isinstance(one, Layer) else _inner_layers(one)


def _refuse(owner: Owner, option: str, expected: str, value: object, where: str = "") -> None:
    raise OptionError(f"{where}{owner.name}: {option}: expected {expected}, got {value!r}")


def _store(owner: Owner, option: str, value: Any) -> None:
    object.__setattr__(owner, option, value)  # the way past a frozen dataclass


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
