"""The kit's doors: `check_layer`, `check_loss`, `check_operator`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import as_real
from prograd.errors import OptionError, ShapeError
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.testing import operators, structure
from prograd.testing.cases import SAMPLES, LayerCase
from prograd.testing.diagnosis import Block
from prograd.testing.layers import LAYER_CHECKS
from prograd.testing.losscase import LossCase
from prograd.testing.losses import LOSS_CHECKS
from prograd.testing.opcase import ROUNDING, OperatorCase, Reference
from prograd.testing.report import CheckSkipped, Report, Suite


def check_layer(layer: Layer, n_in: int, *, seed: int = 0, z: ArrayLike | None = None) -> Report:
    """All checks of a layer with inputs of size `n_in`. Raises `ConformanceError` if any fails.

    Half of the inputs are normal random numbers, half are larger, up to ±8; a layer that is not defined for all of them
    is tried at `z` `(N, n_in)` instead. Raises `ShapeError` for a `z` of another shape.
    """
    return LAYER_CHECKS.run(layer_case(layer, n_in, seed=seed, z=z))


def check_loss(loss: Loss, z: ArrayLike, y: ArrayLike, *, seed: int = 0) -> Report:
    """All checks of a loss at outputs `z` `(N, n)` with labels `y`. Raises `ConformanceError` if any fails."""
    return LOSS_CHECKS.run(loss_case(loss, z, y, seed=seed))


def check_operator(
    operator: Operator, *, seed: int = 0, samples: int | None = None, matrix: ArrayLike | None = None
) -> Report:
    """All checks of an operator. Raises `ConformanceError` if any fails, `ShapeError` for arguments that don't fit it.

    `matrix`, `(rows, cols)` or `(N, rows, cols)`, is what it should be, where that is known; otherwise all methods are
    compared with `jvp`. A map shared by all samples is tried with `samples` of them, 4 by default.
    """
    return OPERATOR_CHECKS.run(operator_case(operator, seed=seed, samples=samples, matrix=matrix))


def layer_case(layer: Layer, n_in: int, *, seed: int = 0, z: ArrayLike | None = None) -> LayerCase:
    """What `LAYER_CHECKS` take."""
    if not isinstance(layer, Layer):
        raise OptionError(f"check_layer: expected a Layer, got {layer!r}")
    points = None if z is None else np.atleast_2d(as_real(z, "z"))
    if points is not None and (points.ndim, points.shape[-1]) != (2, n_in):
        raise ShapeError(f"z: expected shape (N, {n_in}) for {layer.name} of {n_in} inputs, got {points.shape}")
    return LayerCase(layer, n_in, seed, points)


def loss_case(loss: Loss, z: ArrayLike, y: ArrayLike, *, seed: int = 0) -> LossCase:
    """What `LOSS_CHECKS` take."""
    if not isinstance(loss, Loss):
        raise OptionError(f"check_loss: expected a Loss, got {loss!r}")
    return LossCase(loss, as_real(z, "z"), as_real(y, "y"), seed)


def operator_case(
    operator: Operator, *, seed: int = 0, samples: int | None = None, matrix: ArrayLike | None = None
) -> OperatorCase:
    """What `OPERATOR_CHECKS` take."""
    if not isinstance(operator, Operator):
        raise OptionError(f"check_operator: expected an Operator, got {operator!r}")
    declared = operator.samples
    if samples is None:
        samples = SAMPLES if declared == 1 else declared
    elif samples < 1:
        raise ShapeError(f"samples: expected a positive number, got {samples}")
    case = OperatorCase(operator, Block(repr(operator)), samples, seed)
    if matrix is not None:
        a = as_real(matrix, "matrix")
        one = (operator.rows, operator.cols)
        if a.shape not in {one, (1, *one), (samples, *one)}:
            raise ShapeError(f"matrix: expected shape {one} or {(samples, *one)} for {operator!r}, got {a.shape}")
        known = np.broadcast_to(a, (samples, *one))
        values = np.stack([known[n] @ case.V.T for n in range(samples)]).transpose(2, 0, 1)
        tolerance = ROUNDING * operator.cols * np.abs(known).max(axis=(1, 2), initial=1e-300)
        case.reference = Reference(values, tolerance, "the numbers of the matrix")
    return case


def matrix(case: OperatorCase) -> None:
    """The columns that `jvp` gives are those of the matrix that was given."""
    if case.reference is None:
        raise CheckSkipped("no matrix was given")
    case.require_reference(case.reference)


def dtype(case: OperatorCase) -> None:
    """Products of numbers in the operator's dtype come out in that dtype."""
    operators.keeps_dtype(case, np.dtype(case.operator.dtype))


OPERATOR_CHECKS: Final = Suite(
    operators.shapes,
    (
        operators.linear,
        matrix,
        operators.vjp,
        operators.vjp_sum,
        operators.dense,
        operators.columns,
        operators.into,
        operators.leading_axes,
        structure.structure,
        structure.edges,
        dtype,
        operators.arguments,
    ),
)
