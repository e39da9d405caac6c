"""How a layer behaves: what it leaves alone, whether it repeats, and what it makes of unusual inputs."""

from __future__ import annotations

import contextlib

import numpy as np

from prograd.arrays import Array
from prograd.errors import ShapeError
from prograd.layer import Parameters
from prograd.testing import operators
from prograd.testing.cases import LayerCase, Subset, named_blocks, rounding, subsets
from prograd.testing.diagnosis import require_close
from prograd.testing.opcase import KINDS, Kind
from prograd.testing.report import CheckError, CheckSkipped


def arguments(case: LayerCase) -> None:
    """`g` and `jacobian` leave `w`, `z` and `z_next` as they are, read-only arrays included."""
    w = Parameters({name: values.copy() for name, values in case.w.items()})
    z = case.z.copy()
    z_next = np.array(case.layer.g(w, z))
    kept = z_next.copy()
    blocks = named_blocks(*case.layer.jacobian(w, z, z_next))
    for operator in blocks.values():
        operator.jvp(np.ones((1, operator.cols)))
        operator.vjp_sum(np.ones((len(z), operator.rows)))
    given = {"z": (z, case.z), "z_next": (z_next, kept)} | {name: (values, case.w[name]) for name, values in w.items()}
    for name, (now, before) in given.items():
        if not np.array_equal(now, before):
            raise CheckError(f"{name} is changed by g, by jacobian or by a product of its blocks")
    for array in (z, z_next, *w.values()):
        array.flags.writeable = False
    case.layer.g(w, z)
    case.layer.jacobian(w, z, z_next)
    for block in case.operators.values():
        operators.arguments(block)


def repeatable(case: LayerCase) -> None:
    """Equal calls give equal bits, and a later call leaves what an earlier one gave as it is."""
    first = case.layer.g(case.w, case.z)
    products = _products(case, case.z, first)
    kept = [np.array(product) for product in (first, *products)]
    other = case.elsewhere
    with contextlib.suppress(ShapeError):
        case.layer.shapes(case.n_in + 1)
    _products(case, other, case.layer.g(case.w, other))
    for now, before in zip((first, *products), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(
                "a later call changes what an earlier one gave; likely cause: a buffer that is kept and reused"
            )
    case.layer.g(case.w, case.z)
    again = case.layer.g(case.w, case.z)
    for what, now, before in zip(("g", *case.blocks), (again, *_products(case, case.z, again)), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(f"{what} gives another result when called again with equal arguments")
    for name, now, before in zip(case.blocks, _stale_products(case, other, first), products, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(f"{name} depends on what g was called with last, not on w, z and z_next alone")


def _products(case: LayerCase, z: Array, z_next: Array, subset: Subset | slice = slice(None)) -> list[Array]:
    """`J^T q` of each block, with a `q` of its own for each of the case's samples."""
    q = np.random.default_rng(case.seed + 60).normal(size=(case.samples, case.n_out))[subset]
    return [operator.vjp(q) for operator in named_blocks(*case.layer.jacobian(case.w, z, z_next)).values()]


def _stale_products(case: LayerCase, other: Array, z_next: Array) -> list[Array]:
    """The products at `z` after a call of `g` somewhere else."""
    case.layer.g(case.w, other)
    return _products(case, case.z, z_next)


def layout(case: LayerCase) -> None:
    """Inputs that are strided, reversed or in column-major order give what contiguous ones give."""
    expected = case.g(case.z)
    products = _products(case, case.z, expected)
    spread = np.repeat(np.repeat(case.z, 2, axis=0), 2, axis=1)[::2, ::2]
    for how, z in (("strided", spread), ("column-major", np.asfortranarray(case.z)), ("reversed", _reversed(case.z))):
        z_next = case.g(z)
        require_close(f"g of a {how} z", z_next, expected, rounding(expected))
        for name, now, before in zip(case.blocks, _products(case, z, z_next), products, strict=True):
            require_close(f"{name} at a {how} z: vjp", now, before, rounding(before))


def _reversed(z: Array) -> Array:
    return np.ascontiguousarray(z[::-1, ::-1])[::-1, ::-1]


def samples(case: LayerCase) -> None:
    """No sample influences another: permuting samples permutes the results, and one sample alone gives its row."""
    expected = case.g(case.z)
    products = _products(case, case.z, expected)
    for how, subset in subsets(case.samples):
        z = case.z[subset]
        z_next = case.g(z)
        _require_rows(f"g of {how}", z_next, expected[subset])
        for name, now, before in zip(case.blocks, _products(case, z, z_next, subset), products, strict=True):
            _require_rows(f"{name} of {how}: vjp", now, before[subset])


def _require_rows(what: str, now: Array, before: Array) -> None:
    hint = "; likely cause: a sum, a mean or a maximum over the samples, or a factor of N"
    require_close(what, np.broadcast_to(now, before.shape), before, rounding(before), hint)


def large_arguments(case: LayerCase) -> None:
    """No overflow, warning or NaN for large arguments where the result itself is a number.

    Whether it is one shows in float64: exp(3 · 200) is a float64 but no float32. Beyond that only `g` itself can tell.
    """
    if case.points is not None:
        raise CheckSkipped("the points were given")
    z = np.clip(case.draw(np.random.default_rng(case.seed + 40)), -3, 3)
    wider, narrower = KINDS
    for size, kind in ((30.0, narrower), (200.0, narrower), (1e4, wider)):
        with np.errstate(all="ignore"):
            wide = _at(case, size * z, wider)
        if any(np.isnan(a).any() for a in wide.values()):
            _require_finite(wide, size, wider)
        if np.isinf(wide["g"]).any() or (kind == narrower and _too_large(wide)):
            if size == 30.0:
                raise CheckSkipped("the result itself is too large for a float32")
            return
        _require_finite(_quietly(case, size, size * z, kind), size, kind)


def _too_large(wide: dict[str, Array]) -> bool:
    limit = 1e-3 * float(np.finfo(np.float32).max)
    return any(np.abs(a).max(initial=0) > limit for a in wide.values())


def _at(case: LayerCase, z: Array, kind: Kind) -> dict[str, Array]:
    """`g` and a product with each block, computed in `kind`."""
    w = Parameters({name: values.astype(kind) for name, values in case.w.items()})
    z = z.astype(kind)
    z_next = case.layer.g(w, z)
    blocks = named_blocks(*case.layer.jacobian(w, z, z_next))
    ones = {name: np.ones((len(z), operator.rows), kind) for name, operator in blocks.items()}
    return {"g": z_next} | {name: operator.vjp(ones[name]) for name, operator in blocks.items()}


def _quietly(case: LayerCase, size: float, z: Array, kind: Kind) -> dict[str, Array]:
    try:
        return _at(case, z, kind)
    except RuntimeWarning as warning:
        raise CheckError(
            f"at inputs of {size:g} in {kind}: {warning}, though the result is an ordinary number; likely cause: "
            "an exponential or a square that can be written so that it does not overflow"
        ) from warning


def _require_finite(found: dict[str, Array], size: float, kind: Kind) -> None:
    for name, a in found.items():
        if not np.isfinite(a).all():
            raise CheckError(f"{name} is not finite in {kind} at inputs of {size:g}, though the result is a number")
