"""Reference derivatives: central differences with Richardson extrapolation, from values of the function alone.

Each comes with an estimate of its error (Ridders 1982, *Accurate computation of F'(x) and F'(x)F''(x)*), so the kit
knows which of its own numbers it can trust, and notices where a function has a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from prograd.arrays import Array

# With up to this many coordinates, each one is a direction; otherwise there are a few random directions. A wrong entry
# of a large matrix shows in a random direction too, and the kit stays quick.
ALL_UP_TO: Final = 48
DIRECTIONS: Final = 6

# Steps h, h/2, …, h/64. With h a quarter of the coordinate, at least 2^-10 and at most 2^-4, the smallest step is
# 1.5e-5: rounding errors of the function (1e-16) then stay below 1e-11 in its derivative, while seven extrapolated
# steps leave a truncation error far below that for a function that varies on the scale of 1. A quarter of the
# coordinate keeps the steps off zero, where kinks and the ends of domains are.
LEVELS: Final = 7
LEAST_STEP: Final = 2.0**-10
LARGEST_STEP: Final = 2.0**-4

# Values that are rounded to a grid give equal differences by chance, which look like convergence. A second sequence of
# steps, in no simple ratio to the first, does not agree with them.
OTHER_STEP: Final = 0.83

# A right derivative agrees with its reference to 1e-9 or better of the block's largest entry. 1e-7 leaves room for
# functions that vary faster; a wrong formula misses by far more, a forgotten eps = 1e-5 under a square root included.
RELATIVE: Final = 1e-7
ABSOLUTE: Final = 1e-9


@dataclass(frozen=True)
class Reference:
    """`J V` as known from elsewhere, `(k, N, rows)`, the tolerance of each sample `(N,)`, and where it comes from."""

    values: Array
    tolerance: Array
    source: str


def directions(size: int, seed: int) -> Array:
    """Every unit vector, or random directions if there are too many: `(k, size)`."""
    return np.eye(size) if size <= ALL_UP_TO else np.random.default_rng(seed).normal(size=(DIRECTIONS, size))


def steps(x: Array) -> Array:
    """The largest step for each coordinate of `x`."""
    return np.clip(np.abs(x) / 4, LEAST_STEP, LARGEST_STEP)


def differentiate(
    f: Callable[[Array], Array], x: Array, V: Array, of: str, step: Array | None = None
) -> tuple[Reference, Array]:
    """The derivatives of `f` at `x` along each `v` in `V`, and which samples have one that could not be found.

    `f` maps `(N, n)` to `(N, m)`, or `(1, n)` to `(N, m)` if all samples share `x`. `of` is its name in messages.
    """
    step = steps(x) if step is None else step
    at = np.array(f(x))
    values, errors = np.zeros((2, len(V), *at.shape))
    for k, v in enumerate(V):
        with np.errstate(divide="ignore"):  # no coordinate moves by more than its step
            scale = np.min(np.where(v != 0, step / np.abs(v), np.inf), axis=1, keepdims=True)
        value, error = _derivative(lambda t, move=scale * v: np.array(f(x + t * move)))  # type: ignore[misc]
        values[k], errors[k] = value / scale, error / scale
    largest = np.abs(values).max(axis=(0, 2), initial=0)
    tolerance = RELATIVE * largest + ABSOLUTE * np.abs(at).max(axis=1, initial=1)
    rough = ~(errors.max(axis=(0, 2), initial=0) <= 0.1 * tolerance)
    return Reference(values, tolerance, f"finite differences of {of}"), rough


def _derivative(f: Callable[[float], Array]) -> tuple[Array, Array]:
    """`f'(0)` and an estimate of its error, entry by entry; the error is infinite at a kink and without finite values.

    `f` takes a number from −1 to 1.
    """
    with np.errstate(all="ignore"):
        first, error = _extrapolated(f, 1.0)
        second, other = _extrapolated(f, OTHER_STEP)
        error = np.maximum(error, np.maximum(other, np.abs(first - second)))
        error[np.isnan(error)] = np.inf
        return first, error


def _extrapolated(f: Callable[[float], Array], step: float) -> tuple[Array, Array]:
    centre = f(0.0)
    best = np.full(centre.shape, np.nan)
    error = np.full(centre.shape, np.inf)
    previous: list[Array] = []
    jumps: list[Array] = []
    for level in range(LEVELS):
        h = step * 0.5**level
        up, down = f(h), f(-h)
        row: list[Array] = [(up - down) / (2 * h)]
        jumps.append(np.abs(up - 2 * centre + down) / h)
        for j, coarser in enumerate(previous):
            row.append(row[j] + (row[j] - coarser) / (4 ** (j + 1) - 1))
            estimate = np.maximum(np.abs(row[j + 1] - row[j]), np.abs(row[j + 1] - coarser))
            better = estimate < error
            best = np.where(better, row[j + 1], best)
            error = np.where(better, estimate, error)
        previous = row
    # The derivatives from the left and from the right differ by h f'' for a smooth function, so half the step halves
    # the gap; at a kink the gap stays.
    noise = 1e-6 * _largest_finite(best) + 1e-12 * _largest_finite(centre)
    error[(jumps[-1] > 0.75 * jumps[-2]) & (jumps[-1] > noise)] = np.inf
    error[~np.isfinite(best)] = np.inf
    return best, error


def _largest_finite(a: Array) -> float:
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))
