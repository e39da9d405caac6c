"""The checks of an operator: all its methods are the same linear map, and it is what it declares.

Each method is compared with a reference that does not use it: a matrix known from elsewhere (finite differences of a
layer, or a matrix that was given), or else the columns that `jvp` gives, added up in plain loops.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import OptionError, PluginError, ProgradError, ShapeError, instance_hint
from prograd.operators import Operator
from prograd.testing.diagnosis import (
    OF_TERMS,
    ROUNDING,
    MatrixName,
    largest,
    of_shape,
    require_close,
    rounding,
    worst,
)
from prograd.testing.operator_case import IN_FLOAT32, SAMPLES, DType, OperatorCase
from prograd.testing.operator_declared import edges, structure
from prograd.testing.raised import told
from prograd.testing.reference import ALL_UP_TO, Reference
from prograd.testing.report import CheckError, CheckSkipped, Report, Suite


def check_operator(
    operator: Operator, *, seed: int = 0, samples: int | None = None, matrix: ArrayLike | None = None
) -> Report:
    """Run all checks of an operator. Raises `ConformanceError` if any fails, `ShapeError` for arguments that don't fit.

    `matrix`, `(rows, cols)` or `(N, rows, cols)`, is what the operator should be, if that is known. Otherwise all
    methods are compared with `jvp`. A map shared by all samples is tried with `samples` of them, 4 by default.

    >>> a = np.arange(6.0).reshape(2, 3)
    >>> prograd.testing.check_operator(prograd.operators.Dense(a), matrix=a).failures
    ()
    """
    return OPERATOR_CHECKS.run(operator_case(operator, seed=seed, samples=samples, matrix=matrix))


def operator_case(
    operator: Operator, *, seed: int = 0, samples: int | None = None, matrix: ArrayLike | None = None
) -> OperatorCase:
    """What `OPERATOR_CHECKS` check, from the arguments of `check_operator`.

    Raises `PluginError` for an operator that can't be asked for its sizes.
    """
    if not isinstance(operator, Operator):
        raise OptionError(f"check_operator: expected an Operator, got {operator!r}{instance_hint(operator)}")
    try:
        return _case(operator, seed, samples, matrix)
    except ProgradError:
        raise
    except Exception as error:
        raise PluginError(f"check_operator: {type(operator).__name__}: {told(error)}") from error


def _case(operator: Operator, seed: int, samples: int | None, matrix: ArrayLike | None) -> OperatorCase:
    if samples is None:
        samples = SAMPLES if operator.samples == 1 else operator.samples
    elif samples < 1:
        raise ShapeError(f"samples: expected a positive number, got {samples}")
    case = OperatorCase(operator, MatrixName(repr(operator)), samples, seed)
    if matrix is not None:
        a = as_real(matrix, "matrix")
        one = (operator.rows, operator.cols)
        if a.shape not in {one, (1, *one), (samples, *one)}:
            raise ShapeError(f"matrix: expected shape {one} or {(samples, *one)} for {operator!r}, got {a.shape}")
        known = np.broadcast_to(a, (samples, *one))
        expected = known @ case.V.T
        case.reference = Reference(
            expected.transpose(2, 0, 1), case.rounding(expected).transpose(2, 0, 1), "the matrix"
        )
    return case


def shapes(case: OperatorCase) -> None:
    """`rows` and `cols` are integers, 0 or more; `jvp` and `vjp` give arrays of those sizes, for one sample or N."""
    for what, size in (("rows", case.operator.rows), ("cols", case.operator.cols)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
            raise CheckError(f"{case.subject}: {what}: expected a non-negative integer, got {size!r}")
    for method, apply, x, size in case.products():
        of_shape(case.called(method, x), apply(x), (case.samples, size))
        of_shape(case.called(method, x[:1]), apply(x[:1]), (1, size), (case.samples, size))
    if case.operator.samples not in {1, case.samples}:
        raise CheckError(f"{case.subject}: samples: expected 1 (shared) or {case.samples}, got {case.operator.samples}")


def linear(case: OperatorCase) -> None:
    """`J (2u − 3v) = 2 J u − 3 J v` and `J 0 = 0`, and the same for `J^T`; all are finite."""
    for method, apply, x, _ in case.products(2):
        combined = np.array(apply(2 * x[0] - 3 * x[1]))
        u, v = 2 * apply(x[0]), 3 * apply(x[1])
        if not np.isfinite(combined).all():
            raise CheckError(f"{case.subject}: {method}: expected finite numbers, got some that are not")
        what = f"{case.subject}: {method}(2u − 3v) against 2 {method}(u) − 3 {method}(v)"
        allowed = 1e-9 * (np.abs(u) + np.abs(v)) + OF_TERMS * max(largest(u), largest(v), case.scale)
        require_close(what, combined, u - v, allowed)
        with np.errstate(all="ignore"):
            nothing = np.array(apply(np.zeros_like(x[0])))
        require_close(f"{case.subject}: {method}(0)", nothing, np.zeros_like(nothing), 1e-300)


def matrix(case: OperatorCase) -> None:
    """The columns that `jvp` gives are those of the matrix that was given."""
    if case.reference is None:
        raise CheckSkipped("no matrix was given")
    case.require_reference(case.reference)


def vjp(case: OperatorCase) -> None:
    """`⟨q, J v⟩ = ⟨J^T q, v⟩`, entry by entry for small operators."""
    pulled = np.empty((len(case.Q), case.samples, case.operator.cols))
    for m, q in enumerate(case.Q):
        repeated = np.tile(q, (case.samples, 1))
        pulled[m] = of_shape(case.called("vjp", repeated), case.operator.vjp(repeated), pulled.shape[1:])
    case.require("vjp", pulled.transpose(1, 0, 2) @ case.V.T, projected=True)


def vjp_sum(case: OperatorCase) -> None:
    """`vjp_sum(q)` is `Σ_n J_n^T q_n`, which is added up here in a loop, and `out` is filled with it."""
    q = case.covectors()
    summed = case.operator.vjp_sum(q)
    name = f"{case.subject}: vjp_sum"
    of_shape(case.called("vjp_sum", q), summed, (case.operator.cols,))
    tolerance = q.size * (ROUNDING * _summed(np.abs(case.pushed), np.abs(q)) + OF_TERMS * case.scale)
    expected = _summed(case.pushed, q)
    if worst(case.V @ summed, expected, tolerance) is not None and not _agrees_with_vjp(case, summed, q):
        if case.reference is not None:
            expected = _summed(case.reference.values, q)
            tolerance = _summed(case.reference.tolerance, np.abs(q))
        hint = _sum_cause(case, summed, q)
        require_close(f"{name} against the sum over the samples", case.V @ summed, expected, tolerance, hint)
    out = np.full(case.operator.cols, np.nan)
    case.operator.vjp_sum(q, out=out)
    require_close(f"{name}(q, out=out): out", out, summed, _relative(summed))


def vjp_norm(case: OperatorCase) -> None:
    """`vjp_norm(q)` is `‖J_n^T q_n‖` for each sample, and so it is for `q` whose squares overflow or vanish."""
    q = case.covectors()
    found = of_shape(f"{case.subject}: vjp_norm", case.operator.vjp_norm(q), (case.samples,))
    expected = _norms(case.operator.vjp(q))
    known = _norms(np.einsum("nr,knr->nk", q, case.pushed)) if case.entries else expected
    tolerance = q.size * rounding(expected, terms=case.scale)
    if worst(found, known, tolerance) is not None:  # if it is right about J, only vjp is to blame
        require_close(f"{case.subject}: vjp_norm", found, expected, tolerance, _norm_cause(found, expected))
    for scale in (2.0**600, 2.0**-600):
        what = f"{case.subject}: vjp_norm of {scale:.0e} q"
        hint = "; likely cause: squares that overflow or vanish (prograd.rows.norm has none)"
        require_close(what, np.asarray(case.operator.vjp_norm(scale * q)) / scale, found, _relative(found), hint)


def _norms(p: Array) -> Array:
    norms: Array = np.linalg.norm(np.atleast_2d(p), axis=-1)
    return norms


def _norm_cause(found: Array, expected: Array) -> str:
    guesses = {
        "the square root is missing": expected**2,
        "all samples were added up": np.full_like(expected, np.linalg.norm(expected)),
    }
    for guess, value in guesses.items():
        if np.allclose(found, value, rtol=1e-6):
            return f"; likely cause: {guess}"
    return ""


def _summed(pushed: Array, q: Array) -> Array:
    """`⟨q, J v⟩` for each direction, added up over the samples one by one."""
    expected = np.zeros(len(pushed))
    for k in range(len(pushed)):
        for n in range(len(q)):
            expected[k] += float(np.dot(q[n], pushed[k, n]))
    return expected


def _agrees_with_vjp(case: OperatorCase, summed: Array, q: Array) -> bool:
    """Whether it is the sum of what `vjp` gives, so that only `vjp` is to blame."""
    total = np.zeros(case.operator.cols)
    for p_n in of_shape(case.called("vjp", q), case.operator.vjp(q), (case.samples, case.operator.cols)):
        total += p_n
    return worst(summed, total, q.size * rounding(total, terms=case.scale)) is None


def _sum_cause(case: OperatorCase, summed: Array, q: Array) -> str:
    single = case.operator.vjp(q)
    guesses = {
        "the mean was taken, not the sum: a factor of N is missing": single.sum(axis=0) / case.samples,
        "only the first sample is there": single[0],
        "only the last sample is there": single[-1],
    }
    for guess, value in guesses.items():
        if case.samples > 1 and np.allclose(summed, value, rtol=1e-6):
            return f"; likely cause: {guess}"
    return ""


def dense(case: OperatorCase) -> None:
    """`dense()` is `(N, rows, cols)`, or `(1, rows, cols)` when shared, and holds the same map."""
    operator = case.operator
    _require_small(case)
    found = operator.dense()
    if np.shape(found) not in {(n, operator.rows, operator.cols) for n in (1, case.samples)}:
        expected = f"({case.samples} or 1, {operator.rows}, {operator.cols})"
        raise CheckError(f"{case.subject}: dense(): expected shape {expected}, got {np.shape(found)}")
    pushed = np.broadcast_to(found, (case.samples, operator.rows, operator.cols)) @ case.V.T
    share = ROUNDING if found.dtype == np.float64 else IN_FLOAT32
    case.require("dense()", pushed, projected=False, rounding=share)


def csr(case: OperatorCase) -> None:
    """`csr(N)` has the matrices of N samples on its diagonal."""
    operator, N = case.operator, case.samples
    _require_small(case)
    found = operator.csr(N)
    if found.shape != (N * operator.rows, N * operator.cols):
        expected = f"({N * operator.rows}, {N * operator.cols})"
        raise CheckError(f"{case.subject}: csr({N}): expected shape {expected}, got {found.shape}")
    pushed = np.asarray(found @ np.tile(case.V.T, (N, 1))).reshape(N, operator.rows, len(case.V))
    share = ROUNDING if found.dtype == np.float64 else IN_FLOAT32
    case.require("csr", pushed, projected=False, rounding=share)


def _require_small(case: OperatorCase) -> None:
    """Raise `CheckSkipped` where all entries take much memory."""
    operator = case.operator
    if operator.rows * operator.cols * case.samples > 10**7:
        raise CheckSkipped(f"all entries of {operator.rows} × {operator.cols} are too many")


def columns(case: OperatorCase) -> None:
    """`columns(start, stop)` are those columns of the map, which forward mode writes into its Jacobian."""
    operator = case.operator
    third = operator.cols // 3
    everything = (0, operator.cols) if operator.cols <= ALL_UP_TO else (0, 5)
    for start, stop in (everything, (third, min(operator.cols, third + 5))):
        found = operator.columns(start, stop)
        expected = np.empty((stop - start, case.samples, operator.rows))
        for k in range(start, stop):
            unit = np.zeros((case.samples, operator.cols))
            unit[:, k] = 1
            expected[k - start] = operator.jvp(unit)
        what, (columns, samples, rows) = f"{case.subject}: columns({start}, {stop})", expected.shape
        found = of_shape(what, found, (columns, 1, rows), (columns, samples, rows))
        single = found.dtype != np.float64
        tolerance = IN_FLOAT32 * case.scale if single else rounding(expected, terms=case.scale)
        require_close(what, np.broadcast_to(found, expected.shape), expected, tolerance)


def into(case: OperatorCase) -> None:
    """`jvp_into` and `vjp_into` write to `out` what `jvp` and `vjp` give."""
    writes = (case.operator.jvp_into, case.operator.vjp_into)
    for (method, apply, x, _), write in zip(case.products(3), writes, strict=True):
        expected = np.array(apply(x))
        out = np.full(expected.shape, np.nan)
        write(x, out)
        require_close(f"{case.subject}: {method}_into against {method}", out, expected, _relative(expected))


def leading_axes(case: OperatorCase) -> None:
    """Leading axes are free in all products, and may be 0; the sample axis of `v` may be 1."""
    operator = case.operator
    for method, apply, x, size in case.products(2, 3):
        together = np.array(apply(x))
        of_shape(case.called(method, x), together, (2, 3, case.samples, size))
        apart = np.stack([np.stack([np.array(apply(x[i, j])) for j in range(3)]) for i in range(2)])
        what = f"{case.subject}: {method} with leading axes (2, 3) against one by one"
        require_close(what, together, apart, _relative(apart))
    shared = case.rng().normal(size=(3, 1, operator.cols))
    one, each = (3, 1, operator.rows), (3, operator.samples, operator.rows)
    found = of_shape(case.called("jvp", shared), operator.jvp(shared), one, each)
    pushed = np.broadcast_to(found, (3, case.samples, operator.rows))
    repeated = operator.jvp(np.repeat(shared, case.samples, axis=1))
    what = f"{case.subject}: jvp of v with a sample axis of 1 against v repeated"
    require_close(what, pushed, repeated, rounding(repeated, share=1e-7, terms=case.scale))
    q = case.covectors(2, 3)
    for method, reduced, size in (
        ("vjp_sum", operator.vjp_sum, operator.cols),
        ("vjp_norm", operator.vjp_norm, case.samples),
    ):
        together = of_shape(case.called(method, q), reduced(q), (2, 3, size))
        apart = np.stack([np.stack([reduced(q[i, j]) for j in range(3)]) for i in range(2)])
        what = f"{case.subject}: {method} with leading axes (2, 3) against one by one"
        require_close(what, together, apart, _relative(apart))
        none = case.covectors(0)
        of_shape(case.called(method, none), reduced(none), (0, size))
    for method, apply, x, size in case.products(0):
        of_shape(case.called(method, x), apply(x), (0, case.samples, size))


def _relative(a: Array) -> Array:
    return rounding(a, share=1e-9, terms=0)


def dtype(case: OperatorCase) -> None:
    """Products of numbers in the operator's dtype have that dtype."""
    keeps_dtype(case, np.dtype(case.operator.dtype))


def keeps_dtype(case: OperatorCase, dtype: DType) -> None:
    """Products of numbers in `dtype` have that dtype."""
    for method, y in (
        ("jvp", case.operator.jvp(case.vectors().astype(dtype))),
        ("vjp", case.operator.vjp(case.covectors().astype(dtype))),
        ("vjp_sum", case.operator.vjp_sum(case.covectors().astype(dtype))),
        ("vjp_norm", case.operator.vjp_norm(case.covectors().astype(dtype))),
    ):
        if np.asarray(y).dtype != dtype:
            raise CheckError(f"{case.subject}: {method}: expected {dtype}, got {np.asarray(y).dtype}")


def arguments(case: OperatorCase) -> None:
    """Products change neither their arguments nor earlier results, and repeat to the bit."""
    methods = [(method, apply, x) for method, apply, x, _ in case.products(2)]
    reductions = [("vjp_sum", case.operator.vjp_sum), ("vjp_norm", case.operator.vjp_norm)]
    methods += [(method, apply, case.covectors(2)) for method, apply in reductions]
    for method, apply, x in methods:
        what = f"{case.subject}: {method}"
        before = x.copy()
        result = apply(x)
        first = np.array(result)
        if not np.array_equal(before, x):
            raise CheckError(f"{what} changes its argument")
        apply(x + 1)
        if not np.array_equal(result, first):
            raise CheckError(f"{what} changes the result of an earlier call; likely cause: a buffer that is reused")
        x.flags.writeable = False
        if not np.array_equal(first, apply(x)):
            raise CheckError(f"{what} gives another result when called again with equal arguments")
        x.flags.writeable = True
        strided = np.repeat(x, 2, axis=-1)[..., ::2]
        require_close(f"{what} of an array that is not contiguous", apply(strided), first, _relative(first))


OPERATOR_CHECKS: Final = Suite(
    shapes,
    (
        linear,
        matrix,
        vjp,
        vjp_sum,
        vjp_norm,
        dense,
        csr,
        columns,
        into,
        leading_axes,
        structure,
        edges,
        dtype,
        arguments,
    ),
)
