"""Points where formulas break: rows of zeros, where norms vanish, and large ones, where slopes become tiny.

What is wrong there is a fault. Digits that are lost, and warnings about numbers that are then thrown away, are advice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.layer import Parameters
from prograd.testing.diagnosis import OF_TERMS
from prograd.testing.layer_case import LayerCase
from prograd.testing.reference import Reference
from prograd.testing.report import CheckAdvice, CheckError

# e^-8 is an ordinary number. float32 does not tell 1 + e^-17 from 1, but holds e^-17 and e^-30 with all digits.
SATURATED: Final = (8.0, 17.0, 30.0)

# Half the digits of a float32 are lost long before 1 % is.
LOST: Final = 0.01

OF_DIFFERENCES: Final = (
    "a small number that is the difference of two large ones, such as 1 − g, which can be rewritten so that no digits "
    "are lost: for g = σ(z) as σ(−z), for g = tanh(z)² as 4 σ(2 z) σ(−2 z), with σ = scipy.special.expit"
)

# Numbers beyond this, and below its inverse, are near the ends of what a float32 holds.
FLOAT32: Final = 1e30


def saturated(rng: np.random.Generator, n: int, size: float) -> Array:
    """Rows `(3, n)` of numbers up to `±size`, which a float32 holds: two with random signs, one with one large number.

    They are not all of one magnitude, where more terms cancel than elsewhere.
    """
    signs = rng.choice([-1.0, 1.0], size=n)
    z = size * rng.uniform(0.8, 1.0, size=n) * np.array([signs, -signs, np.where(np.arange(n), -1.0, 1.0)])
    rounded: Array = z.astype(np.float32).astype(np.float64)
    return rounded


def require_right_at(case: LayerCase, z: Array, where: str) -> None:
    """Raise `CheckError` unless `g` and its blocks are finite at `z`, and the blocks are derivatives where `g` has any.

    Raises `CheckAdvice` if they are right but numpy warns.
    """
    there = case.at(z)
    with np.errstate(all="ignore"):
        if not np.isfinite(there.g(there.z)).all():
            hint = "a division by a norm, or a logarithm? A layer that is not defined there is checked with z=…"
            raise CheckError(f"g at {where}: expected finite numbers, got some that are not; likely cause: {hint}")
        for block, operator in there.operators.items():
            if not np.isfinite(operator.pushed).all():
                hint = "a division by zero, where g itself is a number"
                raise CheckError(
                    f"{block} at {where}: expected finite numbers, got some that are not; likely cause: {hint}"
                )
            try:
                operator.require_reference(_where_smooth(there, block))
            except CheckError as failure:
                raise CheckError(f"at {where}: {failure}") from failure
    advise_on_warnings(lambda: there.products_in(np.dtype(np.float64)), where)


def _where_smooth(case: LayerCase, block: str) -> Reference:
    """The references of a block; at a kink each choice of a derivative is right."""
    reference = case.references[block]
    values = np.where(case.rough[:, None], case.operators[block].pushed, reference.values)
    return Reference(values, np.where(case.rough[:, None], OF_TERMS, reference.tolerance), reference.source)


def advise_on_float32(case: LayerCase, z: Array, where: str) -> None:
    """Raise `CheckAdvice` if a row of a block at `z` loses its digits in float32."""
    there = case.at(z)
    there.w = Parameters({name: values.astype(np.float32).astype(np.float64) for name, values in case.w.items()})
    with np.errstate(all="ignore"):
        wide, narrow = (there.products_in(np.dtype(kind)) for kind in (np.float64, np.float32))
    for block, numbers in wide.items():
        advise_on_digits(f"{block} at {where} in float32", narrow[block], numbers, (0,))


def advise_on_warnings(call: Callable[[], Any], where: str) -> None:
    """Raise `CheckAdvice` if numpy warns in a call whose results are right."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            call()
    except RuntimeWarning as warning:
        raise CheckAdvice(
            f"at {where}: {warning}, though the results are right; likely cause: np.where, which computes both of its "
            "branches"
        ) from warning


def advise_on_digits(
    what: str, narrow: Array, wide: Array, axes: tuple[int, ...] = (), *, guess: str = OF_DIFFERENCES
) -> None:
    """Raise `CheckAdvice` if float32 keeps less than two digits of what float64 gives.

    The error is compared with the largest magnitude along `axes`; numbers near the ends of float32 are left out.
    """
    if not wide.size:
        return
    size = np.abs(wide).max(axis=axes, keepdims=True)
    held = (size > 1 / FLOAT32) & (size < FLOAT32)
    with np.errstate(all="ignore"):
        error = np.where(held, np.abs(narrow - wide) / np.where(held, size, 1), 0)
    if not (error <= LOST).all():
        at = np.unravel_index(int(np.argmax(np.nan_to_num(error, nan=np.inf))), wide.shape)
        raise CheckAdvice(
            f"{what}: expected {wide[at]:.6g}, as in float64, got {narrow[at]:.6g}; likely cause: {guess}"
        )
