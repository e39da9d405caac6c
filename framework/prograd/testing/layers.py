"""The checks of a layer. Each takes a case and raises `CheckError` with what is wrong, where, and the likely cause."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from prograd.arrays import shown
from prograd.layer import Parameters
from prograd.testing import behaviour, operators, structure
from prograd.testing.cases import LayerCase, named_blocks
from prograd.testing.diagnosis import Block
from prograd.testing.network import layer_in_network
from prograd.testing.opcase import KINDS, OperatorCase
from prograd.testing.report import CheckError, CheckSkipped, Suite


def shapes(case: LayerCase) -> None:
    """`shapes(n_in)`, `g`, `A` and `B` agree on names and sizes."""
    n_out, parameters = _declared(case)
    z = case.draw(case.rng)
    z_next = case.layer.g(case.w, z)
    if not isinstance(z_next, np.ndarray) or z_next.shape != (len(z), n_out):
        raise CheckError(f"g of z {z.shape} must give an array {(len(z), n_out)}, got {_described(z_next)}")
    A, B = case.layer.jacobian(case.w, z, z_next)
    if set(A) != set(parameters):
        raise CheckError(f"A must hold the parameters {sorted(parameters)}, got {sorted(A)}")
    sizes = {f'A["{name}"]': math.prod(shape) for name, shape in parameters.items()} | {"B": case.n_in}
    for name, operator in named_blocks(A, B).items():
        expected = (n_out, sizes[name])
        if (operator.rows, operator.cols) != expected:
            hint = "; likely cause: the transpose was given" if (operator.cols, operator.rows) == expected else ""
            raise CheckError(f"{name} must be {n_out} × {sizes[name]}, got {operator!r}{hint}")
        operators.shapes(OperatorCase(operator, Block(name), len(z), case.seed))


def _declared(case: LayerCase) -> tuple[int, Mapping[str, tuple[int, ...]]]:
    declared: Any = case.layer.shapes(case.n_in)
    if not (isinstance(declared, tuple) and len(declared) == 2 and isinstance(declared[1], Mapping)):
        raise CheckError(f"shapes({case.n_in}) must give (n_out, {{name: shape}}), got {declared!r}")
    n_out, parameters = declared
    if isinstance(n_out, bool) or not isinstance(n_out, (int, np.integer)) or n_out < 1:
        raise CheckError(f"shapes({case.n_in}) must give a positive number of outputs, got {n_out!r}")
    for name, shape in parameters.items():
        if not isinstance(name, str) or hasattr(dict, name):
            raise CheckError(f"a parameter's name must be a string and no method of dict, got {name!r}")
        if not isinstance(shape, tuple) or not all(isinstance(k, (int, np.integer)) and k >= 0 for k in shape):
            raise CheckError(f"the shape of {name} must be a tuple of integers, got {shape!r}")
    if case.layer.shapes(case.n_in) != declared:
        raise CheckError(f"shapes({case.n_in}) gives something else when called again")
    return int(n_out), parameters


def _described(z: object) -> str:
    return f"shape {z.shape}" if isinstance(z, np.ndarray) else type(z).__name__


def init(case: LayerCase) -> None:
    """`init` gives finite arrays of the declared shapes, and depends on the generator alone."""
    first = case.layer.init(np.random.default_rng(case.seed), case.n_in)
    if set(first) != set(case.shapes):
        raise CheckError(f"init must give {sorted(case.shapes)}, got {sorted(first)}")
    for name, shape in case.shapes.items():
        values = np.asarray(first[name])
        if values.shape != shape:
            raise CheckError(f"init gives {name} of shape {values.shape}, declared is {shape}")
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise CheckError(f"init gives {name} that is not finite, or not of real numbers ({values.dtype})")
    before = {name: np.array(values) for name, values in first.items()}
    for name in before:
        if isinstance(first[name], np.ndarray) and first[name].flags.writeable:
            first[name][...] = 7  # what a caller does to its starting values is no business of the next caller's
    second = case.layer.init(np.random.default_rng(case.seed), case.n_in)
    for name, values in before.items():
        if not np.array_equal(values, second[name]):
            raise CheckError(
                f"init gives another {name} for an equal generator; likely cause: random numbers from elsewhere, "
                "or an array that is kept and handed out twice"
            )


def differentiable(case: LayerCase) -> None:
    """Finite differences of `g` converge at random points, so there is something to compare the blocks with."""
    if not case.rough.any():
        return
    sample = int(np.argmax(case.rough))
    if not np.isfinite(case.layer.g(case.w, case.z)).all():
        raise CheckError(f"g is not finite at ordinary inputs, such as {shown(case.z[sample])}")
    raise CheckError(
        f"finite differences of g do not converge, at z = {shown(case.z[sample])} among others; likely cause: g is not "
        "continuous, varies on a scale below 1e-3, or computes in less than float64"
    )


def jacobian_A(case: LayerCase) -> None:
    """Each `A` is `∂g/∂w`: its `jvp` against finite differences of `g`."""
    if not case.shapes:
        raise CheckSkipped("no parameters")
    for name in case.shapes:
        _against_differences(case, f'A["{name}"]')


def jacobian_B(case: LayerCase) -> None:
    """`B` is `∂g/∂z`: its `jvp` against finite differences of `g`."""
    _against_differences(case, "B")


def _against_differences(case: LayerCase, name: str) -> None:
    _require_reference(case)
    case.operators[name].require_reference(case.references[name])


def _require_reference(case: LayerCase) -> None:
    if case.rough.any():
        raise CheckSkipped("no reference: finite differences do not converge")
    if not case.independent:
        raise CheckSkipped("no reference: samples influence each other")


def _of_each_block(check: Callable[[OperatorCase], None]) -> Callable[[LayerCase], None]:
    def checked(case: LayerCase) -> None:
        skipped = []
        for operator in case.operators.values():
            try:
                check(operator)
            except CheckSkipped as skip:
                skipped.append(f"{operator.block.name}: {skip}")
        if len(skipped) == len(case.operators):
            raise CheckSkipped("; ".join(skipped))

    checked.__name__ = check.__name__
    checked.__doc__ = check.__doc__
    return checked


def dtype(case: LayerCase) -> None:
    """float32 stays float32 and float64 float64, through `g` and every product of the blocks."""
    for kind in KINDS:
        w = Parameters({name: values.astype(kind) for name, values in case.w.items()})
        z = case.z.astype(kind)
        z_next = case.layer.g(w, z)
        if z_next.dtype != kind:
            raise CheckError(f"g makes {z_next.dtype} of {kind}")
        A, B = case.layer.jacobian(w, z, z_next)
        for name, operator in named_blocks(A, B).items():
            operators.keeps_dtype(OperatorCase(operator, Block(name), len(z), case.seed), kind)


def network(case: LayerCase) -> None:
    """Inside a network: every mode gives the same gradient, and it is that of finite differences."""
    _require_reference(case)
    for check in (jacobian_A, jacobian_B, *_FOR_THE_ENGINE):
        try:
            check(case)
        except CheckSkipped:
            continue
        except CheckError as failure:
            raise CheckSkipped(f"means nothing while {check.__name__} fails") from failure
    layer_in_network(case)


# What the engine multiplies with: a network can't be right while these are wrong.
_FOR_THE_ENGINE: Final = tuple(
    map(_of_each_block, (operators.vjp, operators.vjp_sum, operators.columns, operators.into, operators.leading_axes))
)

LAYER_CHECKS: Final = Suite(
    shapes,
    (
        init,
        differentiable,
        jacobian_A,
        jacobian_B,
        *map(
            _of_each_block,
            (
                operators.linear,
                operators.vjp,
                operators.vjp_sum,
                operators.dense,
                operators.columns,
                operators.into,
                operators.leading_axes,
                structure.structure,
                structure.edges,
            ),
        ),
        dtype,
        behaviour.arguments,
        behaviour.repeatable,
        behaviour.layout,
        behaviour.samples,
        behaviour.large_arguments,
        network,
    ),
)
