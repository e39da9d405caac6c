"""The checks of a layer. Each raises `CheckError` with what is wrong, where, and the likely cause."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, shown
from prograd.blocks import diagonal_hint, wrong_pair
from prograd.errors import ShapeError
from prograd.layer import Layer, Parameters
from prograd.testing import operator_checks, operator_declared
from prograd.testing.diagnosis import MatrixName, require_close, rounding, spanned
from prograd.testing.in_network import layer_in_network
from prograd.testing.layer_case import ELSEWHERE, LayerCase, Subset, block_name, given_blocks, named_blocks, subsets
from prograd.testing.operator_case import DTYPES, DType, OperatorCase
from prograd.testing.recording import require_recordable
from prograd.testing.report import CheckError, CheckSkipped, Report, Suite, advise_on_mutable, named, require_steady
from prograd.testing.second_order import require_second_derivatives
from prograd.testing.special_points import SATURATED, advise_on_float32, require_right_at, saturated

COLUMNS: Final = "; likely cause: samples are columns; they are the rows of z, so W z is written z @ w.W.T"
RANDOM: Final = "; likely cause: random numbers, which init alone may draw, or a state that g changes"


def check_layer(layer: Layer, n_in: int, *, seed: int = 0, z: ArrayLike | None = None) -> Report:
    """Run all checks of a layer with inputs of size `n_in`. Raises `ConformanceError` if any fails.

    Half of the inputs are normal random numbers, half are larger, up to ±8. A layer that is not defined for all of them
    is tried at `z` `(N, n_in)` instead. Raises `ShapeError` for a `z` of another shape.

    >>> report = prograd.testing.check_layer(prograd.layer("affine", width=3), n_in=4)
    >>> report.failures
    ()
    """
    return LAYER_CHECKS.run(LayerCase(layer, n_in, seed=seed, z=z))


def shapes(case: LayerCase) -> None:
    """`shapes(n_in)`, `g`, `A` and `B` agree on names and sizes, for several samples and for one."""
    n_out, parameters = _declared(case)
    sizes = {block_name(name): math.prod(shape) for name, shape in parameters.items()} | {"B": case.n_in}
    drawn = case.draw(case.rng())
    for z in (drawn, drawn[:1]):
        z_next: Any = _defined(case, z)
        if not isinstance(z_next, np.ndarray) or z_next.shape != (len(z), n_out):
            got = f"shape {z_next.shape}" if isinstance(z_next, np.ndarray) else type(z_next).__name__
            hint = COLUMNS if getattr(z_next, "shape", ()) == (n_out, len(z)) else ""
            raise CheckError(f"g of z {z.shape}: expected an array {(len(z), n_out)}, got {got}{hint}")
        given = case.layer.jacobian(case.w, z, z_next)
        if got := wrong_pair(given):
            raise CheckError(f"jacobian: expected a pair (A, B) with A a dict, got {got}")
        A, B = given
        if set(A) != set(parameters):
            raise CheckError(f"A: expected the parameters {sorted(parameters)}, got {sorted(A)}")
        for block, array in given_blocks(A, B).items():
            if hint := diagonal_hint(array, n_out, sizes[block]):
                raise CheckError(f"{block}: expected {n_out} × {sizes[block]}, got an array {array.shape}{hint}")
        for block, operator in named_blocks(A, B).items():
            expected = (n_out, sizes[block])
            if (operator.rows, operator.cols) != expected:
                hint = "; likely cause: the transpose" if (operator.cols, operator.rows) == expected else ""
                raise CheckError(f"{block}: expected {n_out} × {sizes[block]}, got {operator!r}{hint}")
            with named(block):
                operator_checks.shapes(OperatorCase(operator, MatrixName(block), len(z), case.seed))


def _defined(case: LayerCase, z: Array) -> Array:
    """`g(w, z)`. Raises `CheckError` where that is no number, or numpy warns that it is none."""
    got = "NaN"
    try:
        z_next = case.layer.g(case.w, z)
    except RuntimeWarning as warning:
        got = f"a warning: {warning}"
    else:
        if not isinstance(z_next, np.ndarray) or z_next.dtype.kind != "f" or not np.isnan(z_next).any():
            return z_next
    raise CheckError(f"g of z {z.shape}, {spanned(z)}: expected finite numbers, got {got}; {ELSEWHERE}")


def _declared(case: LayerCase) -> tuple[int, Mapping[str, tuple[int, ...]]]:
    where = f"shapes({case.n_in})"
    declared: Any = case.layer.shapes(case.n_in)
    if not (isinstance(declared, tuple) and len(declared) == 2 and isinstance(declared[1], Mapping)):
        raise CheckError(f"{where}: expected (n_out, {{name: shape}}), got {declared!r}")
    n_out, parameters = declared
    if isinstance(n_out, bool) or not isinstance(n_out, (int, np.integer)) or n_out < 1:
        raise CheckError(f"{where}: expected a positive number of outputs, got {n_out!r}")
    for name, shape in parameters.items():
        if not isinstance(name, str) or hasattr(dict, name):
            raise CheckError(f"{where}: expected a string that is not a method of dict as a name, got {name!r}")
        if not isinstance(shape, tuple) or not all(isinstance(k, (int, np.integer)) and k >= 0 for k in shape):
            raise CheckError(f"{where}: {name}: expected a tuple of non-negative integers, got {shape!r}")
    again = case.layer.shapes(case.n_in)
    if again != declared:
        raise CheckError(f"{where}: expected {declared!r} again when called again, got {again!r}")
    return int(n_out), parameters


def frozen(case: LayerCase) -> None:
    """A layer that is a dataclass is a frozen one, so that its options stay what was checked and recorded."""
    advise_on_mutable(case.layer)


def init(case: LayerCase) -> None:
    """`init` gives finite arrays of the declared shapes, and depends on the generator alone."""
    first: Any = case.layer.init(case.rng(), case.n_in)
    if not isinstance(first, Mapping):
        got = f"an array {first.shape}" if isinstance(first, np.ndarray) else type(first).__name__
        raise CheckError(f"init: expected a dict with an array for each of {sorted(case.shapes)}, got {got}")
    if set(first) != set(case.shapes):
        raise CheckError(f"init: expected the parameters {sorted(case.shapes)}, got {sorted(first)}")
    for name, shape in case.shapes.items():
        values = np.asarray(first[name])
        if values.shape != shape:
            raise CheckError(f"init: {name}: expected the declared shape {shape}, got {values.shape}")
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise CheckError(f"init: {name}: expected finite real numbers, got {values.dtype}: {shown(values)}")
    before = {name: np.array(values) for name, values in first.items()}
    for name in before:
        if isinstance(first[name], np.ndarray) and first[name].flags.writeable:
            first[name][...] = 7  # a caller may change its starting values, and the next caller must not notice
    second = case.layer.init(case.rng(), case.n_in)
    for name, values in before.items():
        if not np.array_equal(values, second[name]):
            raise CheckError(
                f"init gives another {name} for an equal generator; likely cause: random numbers from elsewhere, "
                "or an array that is kept and handed out twice"
            )


def differentiable(case: LayerCase) -> None:
    """Finite differences of `g` converge at random points, so the blocks can be compared with them."""
    require_steady(case)
    if not case.rough.any():
        return
    z = shown(case.z[int(np.argmax(case.rough))])
    if not np.isfinite(case.layer.g(case.w, case.z)).all():
        raise CheckError(f"g: expected finite numbers at ordinary inputs, got others at z = {z}; {ELSEWHERE}")
    raise CheckError(
        f"finite differences of g do not converge, for example at z = {z}; likely cause: g is not continuous, varies "
        "on a scale below 1e-3, or computes in less than float64"
    )


def jacobian_A(case: LayerCase) -> None:
    """Each `A` is `∂g/∂w`: its `jvp` agrees with finite differences of `g`."""
    if not case.shapes:
        raise CheckSkipped("no parameters")
    _require_reference(case)
    for block in case.operators:
        if block != "B":
            case.operators[block].require_reference(case.references[block])


def jacobian_B(case: LayerCase) -> None:
    """`B` is `∂g/∂z`: its `jvp` agrees with finite differences of `g`."""
    _require_reference(case)
    case.operators["B"].require_reference(case.references["B"])


def jacobian_along(case: LayerCase) -> None:
    """`dA` and `dB`, if there are any, are the derivatives of `A` and `B`: they agree with finite differences."""
    _require_right(case, (jacobian_A, jacobian_B))
    require_second_derivatives(case)


def _require_reference(case: LayerCase) -> None:
    require_steady(case)
    if case.rough.any():
        raise CheckSkipped("no reference: finite differences do not converge")
    if not case.independent:
        raise CheckSkipped("no reference: samples influence each other")


def _of_each_block(check: Callable[[OperatorCase], None]) -> Callable[[LayerCase], None]:
    @functools.wraps(check)
    def checked(case: LayerCase) -> None:
        skipped = []
        for operator in case.operators.values():
            try:
                with named(operator.subject):
                    check(operator)
            except CheckSkipped as skip:
                skipped.append(f"{operator.subject}: {skip}")
        if len(skipped) == len(case.operators):
            raise CheckSkipped("; ".join(skipped))

    return checked


def dtype(case: LayerCase) -> None:
    """float32 stays float32 and float64 float64, through `g` and every product of the blocks."""
    for kind in DTYPES:
        w, z = _cast(case.w, kind), case.z.astype(kind)
        z_next = case.layer.g(w, z)
        if z_next.dtype != kind:
            raise CheckError(f"g: expected {kind}, got {z_next.dtype}")
        for block, operator in named_blocks(*case.layer.jacobian(w, z, z_next)).items():
            operator_checks.keeps_dtype(OperatorCase(operator, MatrixName(block), len(z), case.seed), kind)


def _cast(w: Parameters, kind: DType) -> Parameters:
    return Parameters({name: values.astype(kind) for name, values in w.items()})


def arguments(case: LayerCase) -> None:
    """`g` and `jacobian` change neither `w` nor `z` nor `z_next`, which may be read-only."""
    w = Parameters({name: values.copy() for name, values in case.w.items()})
    z = case.z.copy()
    z_next = np.array(case.layer.g(w, z))
    kept = z_next.copy()
    for operator in named_blocks(*case.layer.jacobian(w, z, z_next)).values():
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
        operator_checks.arguments(block)


def repeatable(case: LayerCase) -> None:
    """Equal calls give equal bits, and a later call does not change the result of an earlier one."""
    if not case.steady:
        raise CheckError(f"g gives another result when called again with equal arguments{RANDOM}")
    first = case.layer.g(case.w, case.z)
    products = _products(case, case.z, first)
    kept = [np.array(product) for product in (first, *products)]
    other = case.elsewhere()
    with contextlib.suppress(ShapeError):
        case.layer.shapes(case.n_in + 1)
    _products(case, other, case.layer.g(case.w, other))
    for now, before in zip((first, *products), kept, strict=True):
        if not np.array_equal(now, before, equal_nan=True):
            raise CheckError(
                "a later call changes the result of an earlier one; likely cause: a buffer that is kept and reused"
            )
    case.layer.g(case.w, case.z)
    again = case.layer.g(case.w, case.z)
    for what, now, before in zip(("g", *case.blocks), (again, *_products(case, case.z, again)), kept, strict=True):
        if not np.array_equal(now, before, equal_nan=True):
            raise CheckError(f"{what} gives another result when called again with equal arguments{RANDOM}")
    case.layer.g(case.w, other)  # a layer that remembers it gives the blocks of other inputs
    for block, now, before in zip(case.blocks, _products(case, case.z, first), products, strict=True):
        if not np.array_equal(now, before, equal_nan=True):
            raise CheckError(f"{block} depends on the last call of g, not on w, z and z_next alone")


def _products(case: LayerCase, z: Array, z_next: Array, subset: Subset | slice = slice(None)) -> list[Array]:
    """`J^T q` of each block, with a different `q` for each sample of the case."""
    q = case.rng(60).normal(size=(case.samples, case.n_out))[subset]
    return [operator.vjp(q) for operator in named_blocks(*case.layer.jacobian(case.w, z, z_next)).values()]


def layout(case: LayerCase) -> None:
    """Inputs that are strided, reversed or in column-major order give what contiguous inputs give."""
    require_steady(case)
    expected = case.g(case.z)
    products = _products(case, case.z, expected)
    spread = np.repeat(np.repeat(case.z, 2, axis=0), 2, axis=1)[::2, ::2]
    reversed_ = np.ascontiguousarray(case.z[::-1, ::-1])[::-1, ::-1]
    for how, z in (("strided", spread), ("column-major", np.asfortranarray(case.z)), ("reversed", reversed_)):
        z_next = case.g(z)
        require_close(f"g of a {how} z", z_next, expected, rounding(expected))
        for block, now, before in zip(case.blocks, _products(case, z, z_next), products, strict=True):
            require_close(f"{block} at a {how} z: vjp", now, before, rounding(before))


def samples(case: LayerCase) -> None:
    """No sample influences another: permuted samples give permuted results, and a sample alone gives its row."""
    require_steady(case)
    expected = case.g(case.z)
    products = _products(case, case.z, expected)
    hint = "; likely cause: a sum, a mean or a maximum over the samples, or a factor of N"
    for how, subset in subsets(case.samples):
        z = case.z[subset]
        z_next = case.g(z)
        require_close(f"g of {how}", z_next, expected[subset], rounding(expected)[subset], hint)
        for block, now, before in zip(case.blocks, _products(case, z, z_next, subset), products, strict=True):
            require_close(f"{block} of {how}: vjp", now, before[subset], rounding(before)[subset], hint)


def large_arguments(case: LayerCase) -> None:
    """Large arguments give no overflow, warning or NaN if the result itself is a number.

    float64 shows whether it is one: exp(3 · 200) is a float64 but no float32. Beyond that only `g` itself can tell.
    """
    if case.points is not None:
        raise CheckSkipped("the points were given")
    z = np.clip(case.draw(case.rng(40)), -3, 3)
    wider, narrower = DTYPES
    for size, kind in ((30.0, narrower), (200.0, narrower), (1e4, wider)):
        with np.errstate(all="ignore"):
            wide = _at(case, size * z, wider)
        if any(np.isnan(a).any() for a in wide.values()):
            _require_finite(wide, size, wider)
        if np.isinf(wide["g"]).any() or (kind == narrower and _too_large(wide)):
            if size == 30.0:
                raise CheckSkipped("the result itself is too large for a float32")
            return
        try:
            found = _at(case, size * z, kind)
        except RuntimeWarning as warning:
            raise CheckError(
                f"at inputs of {size:g} in {kind}: {warning}, though the result is an ordinary number; likely cause: "
                "an exponential or a square, which can be rewritten so that it does not overflow"
            ) from warning
        _require_finite(found, size, kind)


def _at(case: LayerCase, z: Array, kind: DType) -> dict[str, Array]:
    """`g` and a product with each block, computed in `kind`."""
    w, z = _cast(case.w, kind), z.astype(kind)
    z_next = case.layer.g(w, z)
    blocks = named_blocks(*case.layer.jacobian(w, z, z_next))
    ones = {block: np.ones((len(z), operator.rows), kind) for block, operator in blocks.items()}
    return {"g": z_next} | {block: operator.vjp(ones[block]) for block, operator in blocks.items()}


def _too_large(wide: dict[str, Array]) -> bool:
    limit = 1e-3 * float(np.finfo(np.float32).max)
    return any(np.abs(a).max(initial=0) > limit for a in wide.values())


def _require_finite(found: dict[str, Array], size: float, kind: DType) -> None:
    for name, a in found.items():
        if not np.isfinite(a).all():
            raise CheckError(f"{name} is not finite in {kind} at inputs of {size:g}, though the result is a number")


def zeros(case: LayerCase) -> None:
    """At a row of zeros `g` and the blocks are finite, and the blocks are derivatives of `g` unless it has a kink."""
    _require_formulas(case)
    require_right_at(case, np.stack([np.zeros(case.n_in), case.z[0]]), "a row of zeros")


def saturation(case: LayerCase) -> None:
    """At large inputs, where slopes become tiny, the blocks are right, and in float32 as right as in float64."""
    _require_formulas(case)
    points = [(f"inputs of ±{size:g}", saturated(case.rng(70), case.n_in, size)) for size in SATURATED]
    for where, z in points:
        if np.isfinite(case.g(z)).all():  # the check of large arguments reports others
            require_right_at(case, z, where)
    for where, z in points:
        advise_on_float32(case, z, where)


def _require_formulas(case: LayerCase) -> None:
    if case.points is not None:
        raise CheckSkipped("the points were given")
    _require_right(case, (jacobian_A, jacobian_B))


def network(case: LayerCase) -> None:
    """Inside a network, every mode gives the gradient of finite differences."""
    _require_right(case, (jacobian_A, jacobian_B, *_FOR_THE_ENGINE))
    layer_in_network(case)


def recordable(case: LayerCase) -> None:
    """Every mode runs it from a tape from the third evaluation on, without Python."""
    require_recordable(case.layer, case.n_in)


def _require_right(case: LayerCase, checks: Sequence[Callable[[LayerCase], None]]) -> None:
    """Raise `CheckSkipped` if there is no reference, or if one of these checks fails."""
    _require_reference(case)
    for check in checks:
        try:
            check(case)
        except CheckSkipped:
            continue
        except CheckError as failure:
            raise CheckSkipped(f"means nothing while {check.__name__} fails") from failure


# The methods that the engine multiplies with: a network can't be right while one of them is wrong.
_FOR_THE_ENGINE: Final = tuple(
    map(
        _of_each_block,
        (
            operator_checks.vjp,
            operator_checks.vjp_sum,
            operator_checks.vjp_norm,
            operator_checks.columns,
            operator_checks.into,
            operator_checks.leading_axes,
        ),
    )
)

LAYER_CHECKS: Final = Suite(
    shapes,
    (
        frozen,
        init,
        repeatable,
        differentiable,
        jacobian_A,
        jacobian_B,
        jacobian_along,
        _of_each_block(operator_checks.linear),
        *_FOR_THE_ENGINE,
        _of_each_block(operator_checks.dense),
        _of_each_block(operator_declared.structure),
        _of_each_block(operator_declared.edges),
        dtype,
        arguments,
        layout,
        samples,
        large_arguments,
        zeros,
        saturation,
        network,
        recordable,
    ),
)
