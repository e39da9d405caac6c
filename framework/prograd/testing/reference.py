"""Reference derivatives: central differences with Richardson extrapolation, from values of the function alone.

Each comes with an estimate of its error (Ridders 1982, *Accurate computation of F'(x) and F'(x)F''(x)*), so the kit
knows which of its own numbers it can trust, and notices where a function has a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.testing.diagnosis import of_shape

# Which samples, `(N,)`.
Rough: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

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

# Each entry has its own tolerance, so that a tiny derivative is compared as closely as a large one beside it. A right
# derivative agrees with its reference to 1e-9 or better; 1e-7 leaves room for functions that vary faster, and a wrong
# formula misses by far more, a forgotten eps = 1e-5 under a square root included. The estimated error may be too small
# by chance, ten times too small hardly ever. Terms of the size of the largest entry may cancel in a derivative that is
# computed in float64, as in a softmax.
RELATIVE: Final = 1e-7
OF_THE_ERROR: Final = 10
OF_THE_LARGEST: Final = 4e-15

# There is no reference where its error exceeds these shares of the sample's largest derivative and largest value (of 1
# if that is larger: terms of the size of 1 may have cancelled in it).
ROUGH: Final = 1e-8
ROUGH_VALUE: Final = 1e-10


@dataclass(frozen=True)
class Reference:
    """`J V` as known from elsewhere and how far each entry may be off, both `(k, N, rows)`, and where it comes from."""

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
) -> tuple[Reference, Rough]:
    """The derivatives of `f` at `x` along each `v` in `V`, and which samples have one that could not be found.

    `f` maps `(N, n)` to `(N, m)`, or `(1, n)` to `(N, m)` if all samples share `x`. `of` is its name in messages.
    """
    step = steps(x) if step is None else step
    at = np.array(f(x))

    def moved(t: float, move: Array) -> Array:
        return of_shape(of, np.array(f(x + t * move)), at.shape)

    values, errors, noises = np.zeros((3, len(V), *at.shape))
    for k, v in enumerate(V):
        with np.errstate(divide="ignore"):  # no coordinate moves by more than its step
            scale = np.min(np.where(v != 0, step / np.abs(v), np.inf), axis=1, keepdims=True)
        for into, found in zip((values, errors, noises), _derivative(partial(moved, move=scale * v)), strict=True):
            into[k] = found / scale
    sizes = np.abs(values).max(axis=(0, 2), initial=0)
    tolerance = RELATIVE * np.abs(values) + OF_THE_ERROR * (errors + noises) + OF_THE_LARGEST * sizes[:, None]
    enough = ROUGH * sizes + ROUGH_VALUE * np.abs(at).max(axis=1, initial=1)
    rough: Rough = ~(errors.max(axis=(0, 2), initial=0) <= enough)
    return Reference(values, tolerance, f"finite differences of {of}"), rough


def _derivative(f: Callable[[float], Array]) -> tuple[Array, Array, Array]:
    """`f'(0)`, an estimate of its error, and what rounding makes of it, entry by entry.

    The error is infinite at a kink and without finite values. `f` takes a number from −1 to 1.
    """
    with np.errstate(all="ignore"):
        first, error, noise = _extrapolated(f, 1.0)
        second, other, more = _extrapolated(f, OTHER_STEP)
        error = np.maximum(error, np.maximum(other, np.abs(first - second)))
        error[np.isnan(error)] = np.inf
        return first, error, np.fmax(noise, more)


def _extrapolated(f: Callable[[float], Array], step: float) -> tuple[Array, Array, Array]:
    centre = f(0.0)
    best = np.full(centre.shape, np.nan)
    error = np.full(centre.shape, np.inf)
    h_best = np.full(centre.shape, step)
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
            h_best = np.where(better, h, h_best)
        last_two, previous = (previous, row), row
    # The values are rounded to one part in 2^53 at best. Terms that cancel in them leave more, which shows where the
    # last two differences disagree after three extrapolations, when no other error is left.
    disagreement = np.abs(last_two[1][3] - last_two[0][3]) * h
    rounding = np.fmax(np.finfo(np.float64).eps * np.abs(centre), disagreement)
    # The derivatives from the left and from the right differ by h f'' for a smooth function, so half the step halves
    # the gap; at a kink the gap stays.
    noise = 1e-6 * _largest_finite(best) + 1e-12 * _largest_finite(centre)
    error[(jumps[-1] > 0.75 * jumps[-2]) & (jumps[-1] > noise)] = np.inf
    error[~np.isfinite(best)] = np.inf
    return best, error, np.where(np.isfinite(rounding), rounding, 0) / h_best


def _largest_finite(a: Array) -> float:
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))
