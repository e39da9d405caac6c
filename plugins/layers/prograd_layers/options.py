"""Options are checked once, when a layer is made; the message names the layer, the option and what came."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING

from prograd.errors import OptionError, ShapeError

if TYPE_CHECKING:
    from prograd import Layer


def integer(layer: Layer, option: str, value: object, least: int = 1) -> None:
    """Raises `OptionError` unless `value` is an integer, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        msg = f"{layer.name}: {option} must be an integer of at least {least}, not {value!r}"
        raise OptionError(msg)


def real(layer: Layer, option: str, value: object, above: float = -math.inf) -> None:
    """Stores `value` as a float; raises `OptionError` unless it is a finite number greater than `above`.

    numpy's own numbers are taken too, but not kept: they would turn float32 arrays into float64.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= above:
        bound = "" if above == -math.inf else f" greater than {above:g}"
        msg = f"{layer.name}: {option} must be a finite number{bound}, not {value!r}"
        raise OptionError(msg)
    object.__setattr__(layer, option, float(value))


def flag(layer: Layer, option: str, value: object) -> None:
    """Raises `OptionError` unless `value` is True or False."""
    if not isinstance(value, bool):
        msg = f"{layer.name}: {option} must be true or false, not {value!r}"
        raise OptionError(msg)


def inputs(layer: Layer, n_in: int, least: int = 1) -> None:
    """Raises `ShapeError` unless the layer gets at least `least` inputs."""
    if n_in < least:
        msg = f"{layer.name}: expected inputs of size {least} or more, got {n_in}"
        raise ShapeError(msg)
