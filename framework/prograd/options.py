"""Checks of the options of a layer or a loss, for its `__post_init__`:

    @dataclass(frozen=True)
    class Elu(Elementwise):
        alpha: float = 1.0

        def __post_init__(self):
            options.real(self, "alpha", above=0)

Each check raises `OptionError`, which names the option, what was expected and what came. Numbers are stored as Python's
own: numpy's would turn float32 arrays into float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from prograd.errors import OptionError
from prograd.layer import Layer
from prograd.loss import Loss


def integer(owner: Layer | Loss, option: str, *, least: int = 1) -> None:
    """An integer, at least `least`."""
    value = getattr(owner, option)
    if not _is_integer(value, least):
        _refuse(owner, option, f"an integer of at least {least}", value)
    _store(owner, option, int(value))


def integers(owner: Layer | Loss, option: str, names: Sequence[str], *, least: int = 1) -> None:
    """A tuple or list of integers, one for each name and each at least `least`. It is stored as a tuple."""
    value = getattr(owner, option)
    right = isinstance(value, (tuple, list)) and len(value) == len(names) and all(_is_integer(k, least) for k in value)
    if not right:
        _refuse(owner, option, f"[{', '.join(names)}], integers of at least {least}", value)
    _store(owner, option, tuple(map(int, value)))


def real(owner: Layer | Loss, option: str, *, above: float = -math.inf) -> None:
    """A finite number, greater than `above`."""
    value = getattr(owner, option)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= above:
        bound = "" if above == -math.inf else f" greater than {above:g}"
        _refuse(owner, option, f"a finite number{bound}", value)
    _store(owner, option, float(value))


def flag(owner: Layer | Loss, option: str) -> None:
    """True or False."""
    value = getattr(owner, option)
    if not isinstance(value, bool):
        _refuse(owner, option, "true or false", value)


def check_range(owner: Layer | Loss, dtype: np.dtype[Any], where: str = "") -> None:
    """Raises `OptionError` for an option that is zero or infinite in numbers of this type; inner layers' as well."""
    limits = np.finfo(dtype)
    for option, value in vars(owner).items():
        if isinstance(value, float) and math.isfinite(value) and value:
            if not limits.tiny <= abs(value) <= limits.max:
                _refuse(owner, option, f"a number that {dtype} can hold, which w and x have", value, where)
        elif isinstance(value, tuple):
            for inner in value:
                if isinstance(inner, Layer):
                    check_range(inner, dtype, where)


def _is_integer(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _refuse(owner: Layer | Loss, option: str, expected: str, value: object, where: str = "") -> None:
    raise OptionError(f"{where}{owner.name}: {option}: expected {expected}, got {value!r}")


def _store(owner: Layer | Loss, option: str, value: Any) -> None:
    object.__setattr__(owner, option, value)  # the way past a frozen dataclass
