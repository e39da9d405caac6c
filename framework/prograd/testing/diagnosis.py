"""Comparing numbers, and guessing from the way they differ what the author did wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.testing.report import CheckError

# Two ways to the same sum differ by a rounding error (1e-16) for each term. Thousands of terms stay below this.
ROUNDING: Final = 1e-10

# What is left of terms of size 1 that cancel, when a few of them are added up in another order.
OF_TERMS: Final = 4e-15

# How well a guess must explain a difference: far better than the numbers agree, far worse than rounding.
_EXPLAINED: Final = 1e-5


@dataclass(frozen=True)
class MatrixName:
    """The name of a matrix in messages, and the parameter, with its shape, that the columns of a block belong to."""

    name: str
    parameter: str = ""
    shape: tuple[int, ...] = ()

    def entry(self, n: int, row: int, column: int) -> str:
        """The name of one entry, such as `A["W"][2, 5] (W[1, 2]) of sample 0`."""
        at = ", ".join(str(int(k)) for k in np.unravel_index(column, self.shape)) if self.shape else ""
        of = f" ({self.parameter}[{at}])" if at else ""
        return f"{self.name}[{row}, {column}]{of} of sample {n}"


@dataclass(frozen=True)
class Pair:
    """Two stacks of matrices `(N, rows, cols)`, what each comes from, and how much they may differ."""

    actual: Array
    got: str
    expected: Array
    source: str
    tolerance: Array | float


def require_matrix(name: MatrixName, pair: Pair, *, entries: bool) -> None:
    """Raise `CheckError` unless the two agree. It names the worst entry, both values and the likely cause.

    Without `entries`, each column is a product with a random direction, and no entry has a name.
    """
    actual, expected = of_shape(f"{name.name} by {pair.got}", pair.actual, pair.expected.shape), pair.expected
    wrong = worst(actual, expected, pair.tolerance)
    if wrong is None:
        return
    n, row, column = wrong
    where = name.entry(n, row, column) if entries else f"{name.name}, direction {column} of sample {n}"
    allowed = float(np.broadcast_to(pair.tolerance, expected.shape)[wrong])
    raise CheckError(
        f"{where}: expected {expected[wrong]:.9g} by {pair.source}, got {actual[wrong]:.9g} by {pair.got} "
        f"(tolerance {allowed:.1g})" + cause(actual, expected, name.shape if entries else (), square=entries)
    )


def require_close(what: str, actual: Array, expected: Array, tolerance: Array | float, hint: str = "") -> None:
    """Raise `CheckError` unless two arrays have the same shape and agree within `tolerance`."""
    wrong = worst(of_shape(what, actual, np.shape(expected)), np.asarray(expected), tolerance)
    if wrong is not None:
        at = list(wrong)
        raise CheckError(f"{what}: expected {expected[wrong]:.9g}, got {actual[wrong]:.9g} at {at}{hint}")


def of_shape(what: str, a: Array, *shapes: tuple[int, ...]) -> Array:
    """`a`, if it has one of these shapes. Raises `CheckError`: numpy would broadcast it, and then it seems right."""
    if np.shape(a) not in shapes:
        raise CheckError(f"{what}: expected shape {' or '.join(map(str, dict.fromkeys(shapes)))}, got {np.shape(a)}")
    return np.asarray(a)


def worst(actual: Array, expected: Array, tolerance: Array | float) -> tuple[int, ...] | None:
    """Where two of one shape differ most in terms of the tolerance, or None if they agree. Equal infinities agree."""
    actual = of_shape("a result", actual, np.shape(expected))
    if not actual.size:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.abs(actual - expected) / tolerance
    excess = np.where(actual == expected, 0, np.where(np.isnan(excess), np.inf, excess))
    at = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return tuple(int(k) for k in at) if excess[at] > 1 else None


def spanned(a: Array) -> str:
    """The range of numbers, such as `from -1.5 to 8`."""
    return f"from {a.min():.3g} to {a.max():.3g}"


def largest(a: Array) -> float:
    """The largest magnitude in `a`, never 0, so that it can scale a tolerance."""
    return max(float(np.abs(a).max(initial=0)), 1e-300)


def rounding(a: Array, *, share: float = ROUNDING, terms: float = 1.0) -> Array:
    """The rounding error of each number in `a`, a sum that BLAS may add up in another order for another layout.

    Where `terms` of this size, or of the size of the largest number, cancel, an error of 1e-16 of each is left.
    """
    return share * np.abs(a) + OF_TERMS * max(largest(a), terms)


def cause(actual: Array, expected: Array, shape: tuple[int, ...] = (), *, square: bool = True) -> str:
    """`; likely cause: …` for matrices `(N, rows, cols)` that differ, or nothing if no guess explains it."""
    if not np.isfinite(actual).all():
        return "; likely cause: a number that is not finite (a division by zero, an overflow)"
    for guess, explains in _guesses(expected, shape, square=square):
        if _near(actual, explains()):
            return f"; likely cause: {guess}"
    return _factor(actual, expected)


def _guesses(expected: Array, shape: tuple[int, ...], *, square: bool) -> Iterator[tuple[str, Callable[[], Array]]]:
    samples, rows, cols = expected.shape
    yield "it is zero: the derivative is missing", lambda: np.zeros_like(expected)
    yield "the sign", lambda: -expected
    if square and rows == cols > 1:
        yield "the transpose", lambda: expected.swapaxes(1, 2)
        yield "only the diagonal is there: all other entries are missing", lambda: expected * np.eye(rows)
    if len(shape) > 1:
        order = np.arange(expected.shape[2]).reshape(shape).ravel(order="F")
        guess = "the parameter is taken column by column (order 'F'), not row by row"
        yield guess, partial(np.take, expected, order, axis=2)
        yield guess, partial(np.take, expected, np.argsort(order), axis=2)
    if samples > 1:
        yield "the map of one sample is used for all", lambda: np.broadcast_to(expected[:1], expected.shape)
        yield "the samples are averaged", lambda: np.broadcast_to(expected.mean(axis=0), expected.shape)
        yield "the samples are in the wrong order", lambda: expected[::-1]
        factor = "a constant factor of {:g} everywhere ({} factor of 1/N, with N = {}?)"
        yield factor.format(samples, "a missing", samples), lambda: expected * samples
        yield factor.format(1 / samples, "an extra", samples), lambda: expected / samples


def _near(actual: Array, guess: Array) -> bool:
    return bool(np.abs(actual - guess).max() <= _EXPLAINED * max(largest(actual), largest(guess)))


def _factor(actual: Array, expected: Array) -> str:
    power = float(np.vdot(expected, expected))
    factor = float(np.vdot(expected, actual)) / power if power else 0.0
    several = np.count_nonzero(expected) > 1  # one number is a multiple of any other
    if factor and (several or _plain(factor)) and _near(actual, factor * expected):
        return f"; likely cause: a constant factor of {factor:.6g} everywhere"
    return _rows_scaled(actual, expected)


def _plain(factor: float) -> bool:
    """Whether it is a whole number up to 10 or one over such a number, as factors that were forgotten are."""
    return any(abs(k - round(k)) < _EXPLAINED and 1 <= round(abs(k)) <= 10 for k in (factor, 1 / factor))


def _rows_scaled(actual: Array, expected: Array) -> str:
    """A factor for each row or each column, as a missing inner derivative gives."""
    for axis, which in ((2, "row"), (1, "column")):
        power = np.sum(expected * expected, axis=axis, keepdims=True)
        factor: Any = np.sum(expected * actual, axis=axis, keepdims=True) / np.where(power, power, 1)
        if expected.shape[axis] > 1 and _near(actual, factor * expected):
            return f"; likely cause: a factor for each {which} is missing (an inner derivative?)"
    if not np.any(expected):
        return "; likely cause: it should be zero"
    return ""
