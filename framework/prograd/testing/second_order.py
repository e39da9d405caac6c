"""The check of `jacobian_along`: second derivatives against finite differences of the blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError
from prograd.layer import Parameters
from prograd.testing.diagnosis import MatrixName, Pair, of_shape, require_close, require_matrix, rounding
from prograd.testing.layer_case import LayerCase, named_blocks
from prograd.testing.operator_case import DTYPES
from prograd.testing.reference import differentiate
from prograd.testing.report import CheckError, CheckSkipped, named

ALONG: Final = 3
"""Random directions: a wrong term shows in each of them."""

Direction = tuple[Parameters, Array]


def require_second_derivatives(case: LayerCase) -> None:
    """Raise `CheckError` unless `dA` and `dB` are the derivatives of `A` and `B`, seen in `dA^T q` and `dB^T q`.

    Raises `CheckSkipped` for a layer without them.
    """
    rng = case.rng(80)
    directions = [_drawn(case, rng) for _ in range(ALONG)]
    q = rng.normal(size=(case.samples, case.n_out))
    try:
        found = [_products_along(case, direction, q) for direction in directions]
    except OptionError as error:
        raise CheckSkipped(str(error)) from error

    def moved(t: Array) -> Array:
        w = Parameters(case.w)
        z = case.z
        for t_k, (dw, dz) in zip(t[0], directions, strict=True):
            w = Parameters({name: a + t_k * dw[name] for name, a in w.items()})
            z = z + t_k * dz
        blocks = named_blocks(*case.layer.jacobian(w, z, case.layer.g(w, z)))
        return np.concatenate([blocks[block].vjp(q) for block in found[0]], axis=1)

    reference, rough = differentiate(moved, np.zeros((1, ALONG)), np.eye(ALONG), "the blocks")
    if rough.all():
        raise CheckSkipped("no reference: finite differences of the blocks do not converge")
    start = 0
    for block, product in found[0].items():
        at = slice(start, start := start + product.shape[1])
        actual, expected, tolerance = (
            a[:, ~rough].transpose(1, 2, 0)
            for a in (
                np.array([products[block] for products in found]),
                reference.values[..., at],
                reference.tolerance[..., at],
            )
        )
        name = MatrixName(f"d{block}^T q by jacobian_along")
        require_matrix(name, Pair(actual, "vjp", expected, reference.source, tolerance), entries=False)
    _require_one_for_all(case, directions[0], q)
    _require_dtypes(case, directions[0], q)


def _drawn(case: LayerCase, rng: np.random.Generator) -> Direction:
    dw = Parameters({name: rng.normal(size=shape) for name, shape in case.shapes.items()})
    return dw, rng.normal(size=(case.samples, case.n_in))


def _products_along(case: LayerCase, direction: Direction, q: Array) -> dict[str, Array]:
    """`dA^T q` and `dB^T q` by block, zeros for what is left out. Raises `CheckError` for wrong names and shapes."""
    given: Any = case.layer.jacobian_along(case.w, case.z, case.g(case.z), *direction)
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Mapping)):
        raise CheckError(f"jacobian_along: expected a pair (dA, dB) with dA a dict, got {type(given).__name__}")
    if not set(given[0]) <= set(case.shapes):
        raise CheckError(f"dA: expected none but the parameters {sorted(case.shapes)}, got {sorted(given[0])}")
    moved = named_blocks(*given)
    products: dict[str, Array] = {}
    for block, operator in case.blocks.items():
        shape = (case.samples, operator.cols)
        if block not in moved:
            products[block] = np.zeros(shape)
            continue
        if (moved[block].rows, moved[block].cols) != (operator.rows, operator.cols):
            raise CheckError(f"d{block}: expected {operator.rows} × {operator.cols}, got {moved[block]!r}")
        with named(f"d{block}"):
            products[block] = product = of_shape(f"d{block}: vjp of q {q.shape}", moved[block].vjp(q), shape)
            total = moved[block].vjp_sum(q)
            require_close(
                f"d{block}: vjp_sum of q {q.shape}", total, product.sum(axis=0), rounding(product.sum(axis=0))
            )
    return products


def _require_one_for_all(case: LayerCase, direction: Direction, q: Array) -> None:
    """`dz` with one row is that of all samples."""
    dw, dz = direction
    expected = _products_along(case, (dw, np.tile(dz[:1], (case.samples, 1))), q)
    for block, product in _products_along(case, (dw, dz[:1]), q).items():
        require_close(f"d{block}^T q for one dz {dz[:1].shape}", product, expected[block], rounding(expected[block]))


def _require_dtypes(case: LayerCase, direction: Direction, q: Array) -> None:
    for kind in DTYPES:
        w, dw = (Parameters({name: a.astype(kind) for name, a in p.items()}) for p in (case.w, direction[0]))
        z = case.z.astype(kind)
        moved = named_blocks(*case.layer.jacobian_along(w, z, case.layer.g(w, z), dw, direction[1].astype(kind)))
        for block, operator in moved.items():
            found = operator.vjp(q.astype(kind)).dtype
            if found != kind:
                raise CheckError(f"d{block}: vjp: expected {kind}, got {found}")
