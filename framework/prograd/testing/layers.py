"""The checks of a layer. Each takes a case and raises `CheckFailed` with what is wrong, where, and the likely cause."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final

import numpy as np

from prograd.arrays import Array
from prograd.layer import Parameters
from prograd.testing import operators, structure
from prograd.testing.cases import LayerCase, named_blocks
from prograd.testing.diagnosis import require_close, require_matrix
from prograd.testing.network import layer_in_network
from prograd.testing.operators import OperatorCase
from prograd.testing.report import CheckFailed, CheckSkipped, Suite


def shapes(case: LayerCase) -> None:
    """`shapes(n_in)`, `g`, `A` and `B` agree on names and sizes."""
    layer, n_in = case.layer, case.n_in
    declared = layer.shapes(n_in)
    if not (isinstance(declared, tuple) and len(declared) == 2):  # noqa: PLR2004
        raise CheckFailed(f"shapes({n_in}) must give (n_out, {{name: shape}}), got {declared!r}")
    n_out, parameters = declared
    if isinstance(n_out, bool) or not isinstance(n_out, (int, np.integer)) or n_out < 1:
        raise CheckFailed(f"shapes({n_in}) must give a positive number of outputs, got {n_out!r}")
    for name, shape in parameters.items():
        if not isinstance(name, str) or hasattr(dict, name):
            raise CheckFailed(f"a parameter's name must be a string and no method of dict, got {name!r}")
        if not isinstance(shape, tuple) or not all(isinstance(k, (int, np.integer)) and k >= 0 for k in shape):
            raise CheckFailed(f"the shape of {name} must be a tuple of integers, got {shape!r}")
    if layer.shapes(n_in) != declared:
        raise CheckFailed(f"shapes({n_in}) gives something else when called again")
    z = case.draw(case.rng)
    z_next = layer.g(case.w, z)
    if not isinstance(z_next, np.ndarray) or z_next.shape != (len(z), n_out):
        raise CheckFailed(f"g of z {z.shape} must give an array {(len(z), n_out)}, got {_described(z_next)}")
    A, B = layer.jacobian(case.w, z, z_next)
    if set(A) != set(parameters):
        raise CheckFailed(f"A must hold the parameters {sorted(parameters)}, got {sorted(A)}")
    sizes = {f'A["{name}"]': int(np.prod(shape, dtype=int)) for name, shape in parameters.items()} | {"B": n_in}
    for name, operator in named_blocks(A, B).items():
        if (operator.rows, operator.cols) != (n_out, sizes[name]):
            turned = (operator.cols, operator.rows) == (n_out, sizes[name])
            hint = "; likely cause: the transpose was given" if turned else ""
            raise CheckFailed(f"{name} must be {n_out} × {sizes[name]}, got {operator!r}{hint}")
        operators.shapes(OperatorCase(operator, operators.Block(name), len(z), case.seed))


def _described(z: object) -> str:
    return f"shape {z.shape}" if isinstance(z, np.ndarray) else type(z).__name__


def init(case: LayerCase) -> None:
    """`init` gives finite arrays of the declared shapes, and depends on the generator alone."""
    first = case.layer.init(np.random.default_rng(case.seed), case.n_in)
    if set(first) != set(case.shapes):
        raise CheckFailed(f"init must give {sorted(case.shapes)}, got {sorted(first)}")
    for name, shape in case.shapes.items():
        values = np.asarray(first[name])
        if values.shape != shape:
            raise CheckFailed(f"init gives {name} of shape {values.shape}, declared is {shape}")
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise CheckFailed(f"init gives {name} that is not finite, or not of real numbers ({values.dtype})")
    before = {name: np.array(values) for name, values in first.items()}
    for name in before:
        if isinstance(first[name], np.ndarray) and first[name].flags.writeable:
            first[name][...] = 7  # what a caller does to its starting values is no business of the next caller's
    second = case.layer.init(np.random.default_rng(case.seed), case.n_in)
    for name, values in before.items():
        if not np.array_equal(values, second[name]):
            raise CheckFailed(
                f"init gives another {name} for an equal generator; likely cause: random numbers from elsewhere, "
                "or an array that is kept and handed out twice"
            )


def differentiable(case: LayerCase) -> None:
    """Finite differences of `g` converge at random points, so there is something to compare the blocks with."""
    if not case.rough.any():
        return
    sample = int(np.argmax(case.rough))
    if not np.isfinite(case.layer.g(case.w, case.z)).all():
        raise CheckFailed(f"g is not finite at ordinary inputs, such as {_row(case.z[sample])}")
    raise CheckFailed(
        f"finite differences of g do not converge, at z = {_row(case.z[sample])} among others; likely cause: g is not "
        "continuous, varies on a scale below 1e-3, or computes in less than float64"
    )


def jacobian_A(case: LayerCase) -> None:  # noqa: N802
    """Each `A` is `∂g/∂w`: its `jvp` against finite differences of `g`."""
    if not case.shapes:
        raise CheckSkipped("no parameters")
    for name in case.shapes:
        _against_differences(case, f'A["{name}"]')


def jacobian_B(case: LayerCase) -> None:  # noqa: N802
    """`B` is `∂g/∂z`: its `jvp` against finite differences of `g`."""
    _against_differences(case, "B")


def _against_differences(case: LayerCase, name: str) -> None:
    _require_smooth(case)
    operator = case.operators[name]
    reference = case.references[name]
    require_matrix(
        operator.block,
        "jvp",
        operator.pushed.transpose(1, 2, 0),
        reference.values.transpose(1, 2, 0),
        reference.tolerance[:, None, None],
        source=operator.source,
        entries=operator.entries,
    )


def _require_smooth(case: LayerCase) -> None:
    if case.rough.any():
        raise CheckSkipped("no reference: finite differences do not converge")


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
    for kind in (np.float64, np.float32):
        w = Parameters({name: values.astype(kind) for name, values in case.w.items()})
        z = case.z.astype(kind)
        z_next = case.layer.g(w, z)
        if z_next.dtype != kind:
            raise CheckFailed(f"g makes {z_next.dtype} of {np.dtype(kind)}")
        A, B = case.layer.jacobian(w, z, z_next)
        for name, operator in named_blocks(A, B).items():
            operators.keeps_dtype(OperatorCase(operator, operators.Block(name), len(z), case.seed), kind)


def arguments(case: LayerCase) -> None:
    """`g` and `jacobian` leave `w`, `z` and `z_next` as they are, read-only arrays included."""
    w = Parameters({name: values.copy() for name, values in case.w.items()})
    z = case.z.copy()
    z_next = case.layer.g(w, z)
    kept = z_next.copy()
    blocks = named_blocks(*case.layer.jacobian(w, z, z_next))
    for operator in blocks.values():
        operator.jvp(np.ones((1, operator.cols)))
        operator.vjp_sum(np.ones((len(z), operator.rows)))
    given = {"z": (z, case.z), "z_next": (z_next, kept)} | {name: (values, case.w[name]) for name, values in w.items()}
    for name, (now, before) in given.items():
        if not np.array_equal(now, before):
            raise CheckFailed(f"{name} is changed by g, by jacobian or by a product of its blocks")
    for array in (z, z_next, *w.values()):
        array.flags.writeable = False
    case.layer.g(w, z)
    case.layer.jacobian(w, z, z_next)
    for operator in case.operators.values():
        operators.arguments(operator)


def repeatable(case: LayerCase) -> None:
    """Equal calls give equal bits, and a later call leaves what an earlier one gave as it is."""
    first = case.layer.g(case.w, case.z)
    products = _products(case, case.z, first)
    kept = [np.array(product) for product in (first, *products)]
    other = case.draw(np.random.default_rng(case.seed + 30))
    _products(case, other, case.layer.g(case.w, other))
    for now, before in zip((first, *products), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckFailed(
                "a later call changes what an earlier one gave; likely cause: a buffer that is kept and reused"
            )
    again = case.layer.g(case.w, case.z)
    for what, now, before in zip(("g", *case.blocks), (again, *_products(case, case.z, again)), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckFailed(f"{what} gives another result when called again with equal arguments")


def _products(case: LayerCase, z: Array, z_next: Array) -> list[Array]:
    blocks = named_blocks(*case.layer.jacobian(case.w, z, z_next))
    return [operator.vjp(np.ones((len(z), operator.rows))) for operator in blocks.values()]


def layout(case: LayerCase) -> None:
    """Inputs that are strided, reversed or in column-major order give what contiguous ones give."""
    expected = case.layer.g(case.w, case.z)
    products = _products(case, case.z, expected)
    spread = np.repeat(np.repeat(case.z, 2, axis=0), 2, axis=1)[::2, ::2]
    for how, z in (("strided", spread), ("column-major", np.asfortranarray(case.z)), ("reversed", _reversed(case.z))):
        z_next = case.layer.g(case.w, z)
        require_close(f"g of a {how} z", z_next, expected, _rounding(expected))
        for name, now, before in zip(case.blocks, _products(case, z, z_next), products, strict=True):
            require_close(f"{name} at a {how} z: vjp", now, before, _rounding(before))


def _reversed(z: Array) -> Array:
    return np.ascontiguousarray(z[::-1, ::-1])[::-1, ::-1]


def _rounding(a: Array) -> float:
    """Rounding errors of sums in another order, which BLAS may choose by the layout."""
    return 1e-10 * max(float(np.abs(a).max(initial=0)), 1e-300)


def samples(case: LayerCase) -> None:
    """No sample influences another: permuting samples permutes the results, and one sample alone gives its row."""
    expected = case.layer.g(case.w, case.z)
    products = _products(case, case.z, expected)
    order = np.roll(np.arange(case.samples), 1)
    subsets = [("permuted samples", order)] if case.samples > 1 else []
    subsets += [(f"sample {n} alone", np.array([n])) for n in range(case.samples)]
    for how, subset in subsets:
        z = case.z[subset]
        z_next = case.layer.g(case.w, z)
        _require_rows(f"g of {how}", z_next, expected[subset])
        for name, now, before in zip(case.blocks, _products(case, z, z_next), products, strict=True):
            shared = np.broadcast_to(before, (case.samples, before.shape[-1]))[subset]
            _require_rows(f"{name} of {how}: vjp", now, shared)


def _require_rows(what: str, now: Array, before: Array) -> None:
    hint = "; likely cause: a sum, a mean or a maximum over the samples, or a factor of N"
    require_close(what, np.broadcast_to(now, before.shape), before, _rounding(before), hint)


def large_arguments(case: LayerCase) -> None:
    """No overflow, warning or NaN for large arguments where the result itself is a number."""
    if case.points is not None:
        raise CheckSkipped("the points were given")
    for size in (30.0, 200.0):  # exp(3 · 200) is a float64 and no float32
        z = size * np.clip(case.draw(np.random.default_rng(case.seed + 40)), -3, 3)
        wide = _at(case, z, np.float64)
        limit = float(np.finfo(np.float32).max)
        if not all(np.isfinite(a).all() and np.abs(a).max(initial=0) < 1e-3 * limit for a in wide.values()):
            if size == 30.0:  # noqa: PLR2004
                raise CheckSkipped("the result itself is too large for a float32")
            return
        _require_finite(_quietly(lambda z=z: _at(case, z, np.float32), size), size, "float32")  # type: ignore[misc]
    z = 1e4 * case.draw(np.random.default_rng(case.seed + 40))
    with np.errstate(all="ignore"):
        far = _at(case, z, np.float64)
    if np.isinf(far["g"]).any():
        return
    _require_finite(_quietly(lambda: _at(case, z, np.float64), 1e4), 1e4, "float64")


def _at(case: LayerCase, z: Array, kind: type[np.floating]) -> dict[str, Array]:
    w = Parameters({name: values.astype(kind) for name, values in case.w.items()})
    with np.errstate(all="ignore") if kind is np.float64 and np.abs(z).max() < 1e4 else np.errstate():  # noqa: PLR2004
        z = z.astype(kind)
        z_next = case.layer.g(w, z)
        blocks = named_blocks(*case.layer.jacobian(w, z, z_next))
        ones = {name: np.ones((len(z), operator.rows), kind) for name, operator in blocks.items()}
        return {"g": z_next} | {name: operator.vjp(ones[name]) for name, operator in blocks.items()}


def _quietly(f: Callable[[], dict[str, Array]], size: float) -> dict[str, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return f()
        except RuntimeWarning as warning:
            raise CheckFailed(
                f"at inputs of {size:g}: {warning}, though the result is an ordinary number; likely cause: an exponential or a "
                "square that can be written so that it does not overflow"
            ) from warning


def _require_finite(found: dict[str, Array], size: float, kind: str) -> None:
    for name, a in found.items():
        if not np.isfinite(a).all():
            raise CheckFailed(
                f"{name} is not finite in {kind} at inputs of {size:g}, though the result is an ordinary number"
            )


def _row(z: Array) -> str:
    return np.array2string(z, precision=4, threshold=6, edgeitems=3)


def network(case: LayerCase) -> None:
    """Inside a network: every mode gives the same gradient, and it is that of finite differences."""
    _require_smooth(case)
    layer_in_network(case)


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
        arguments,
        repeatable,
        layout,
        samples,
        large_arguments,
        network,
    ),
)
