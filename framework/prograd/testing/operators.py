"""The checks of an operator: `jvp`, `vjp`, `vjp_sum`, `dense` and `columns` are one linear map.

Each is compared with a reference that never passes through the method under test: a matrix known from elsewhere (finite
differences of a layer, a matrix given), or else the columns that `jvp` gives, added up in plain loops.
"""

from __future__ import annotations

import numpy as np

from prograd.arrays import Array
from prograd.testing.diagnosis import require_close, worst
from prograd.testing.opcase import ALL_UP_TO, ROUNDING, Kind, OperatorCase, rounding_of
from prograd.testing.report import CheckError, CheckSkipped


def linear(case: OperatorCase) -> None:
    """`J (2u − 3v) = 2 J u − 3 J v`, and the same for `J^T`; both are finite."""
    for method, apply, x in (
        ("jvp", case.operator.jvp, case.vectors(2)),
        ("vjp", case.operator.vjp, case.covectors(2)),
    ):
        combined = np.array(apply(2 * x[0] - 3 * x[1]))
        apart = 2 * apply(x[0]) - 3 * apply(x[1])
        if not np.isfinite(combined).all():
            raise CheckError(f"{case.block.name}: {method} gives a number that is not finite")
        scale = max(float(np.abs(apart).max(initial=0)), case.scale)
        require_close(
            f"{case.block.name}: {method}(2u − 3v) against 2 {method}(u) − 3 {method}(v)", combined, apart, 1e-9 * scale
        )


def vjp(case: OperatorCase) -> None:
    """`⟨q, J v⟩ = ⟨J^T q, v⟩`, entry by entry on small shapes."""
    pulled = np.empty((len(case.Q), case.samples, case.operator.cols))
    for m, q in enumerate(case.Q):
        pulled[m] = case.operator.vjp(np.tile(q, (case.samples, 1)))
    case.require("vjp", np.stack([pulled[:, n] @ case.V.T for n in range(case.samples)]), projected=True)


def vjp_sum(case: OperatorCase) -> None:
    """`vjp_sum(q)` is `Σ_n J_n^T q_n`, added up here in a loop; `out` is filled with the same."""
    q = case.covectors()
    summed = case.operator.vjp_sum(q)
    name = f"{case.block.name}: vjp_sum"
    if np.shape(summed) != (case.operator.cols,):
        raise CheckError(
            f"{name} must give shape ({case.operator.cols},) for q of shape {q.shape}, got {np.shape(summed)}"
        )
    tolerance = ROUNDING * case.scale * q.size
    expected = _summed(case.pushed, q)
    if worst(case.V @ summed, expected, tolerance) is not None and not _agrees_with_vjp(case, summed, q):
        if case.reference is not None:
            expected = _summed(case.reference.values, q)
            tolerance = float(case.reference.tolerance.max()) * q.size
        hint = _sum_cause(case, summed, q)
        require_close(f"{name} against the sum over the samples", case.V @ summed, expected, tolerance, hint)
    out = np.full(case.operator.cols, np.nan)
    case.operator.vjp_sum(q, out=out)
    require_close(f"{name}(q, out=out): out", out, summed, tolerance)


def _summed(pushed: Array, q: Array) -> Array:
    """`⟨q, J v⟩` for each direction, added up over the samples one by one."""
    expected = np.zeros(len(pushed))
    for k in range(len(pushed)):
        for n in range(len(q)):
            expected[k] += float(np.dot(q[n], pushed[k, n]))
    return expected


def _agrees_with_vjp(case: OperatorCase, summed: Array, q: Array) -> bool:
    """Whether it is the sum of what `vjp` gives, so that only `vjp` is to blame."""
    p = np.broadcast_to(case.operator.vjp(q), (case.samples, case.operator.cols))
    total = np.zeros(case.operator.cols)
    for p_n in p:
        total += p_n
    return worst(summed, total, ROUNDING * max(float(np.abs(total).max(initial=0)), 1e-300) * q.size) is None


def _sum_cause(case: OperatorCase, summed: Array, q: Array) -> str:
    single = np.broadcast_to(case.operator.vjp(q), (case.samples, case.operator.cols))
    total = single.sum(axis=0)
    guesses = {
        "the mean was taken, not the sum: a factor of N is missing": total / case.samples,
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
    if operator.rows * operator.cols * case.samples > 10**7:
        raise CheckSkipped(f"a dense {operator.rows} × {operator.cols} is too large")
    found = operator.dense()
    if np.shape(found) not in {(n, operator.rows, operator.cols) for n in (1, case.samples)}:
        expected = f"({case.samples} or 1, {operator.rows}, {operator.cols})"
        raise CheckError(f"{case.block.name}: dense() must have shape {expected}, got {np.shape(found)}")
    matrix = np.broadcast_to(found, (case.samples, operator.rows, operator.cols))
    pushed = np.stack([matrix[n] @ case.V.T for n in range(case.samples)])
    case.require("dense()", pushed, projected=False, rounding=rounding_of(found.dtype))


def columns(case: OperatorCase) -> None:
    """`columns(start, stop)` are those columns of the map: forward mode writes them into its Jacobian."""
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
        require_close(
            f"{case.block.name}: columns({start}, {stop})",
            np.broadcast_to(found, expected.shape),
            expected,
            rounding_of(found.dtype) * case.scale,
        )


def leading_axes(case: OperatorCase) -> None:
    """Leading axes are free, for `jvp`, `vjp` and `vjp_sum`; the sample axis of `v` may be 1."""
    operator, name = case.operator, case.block.name
    tolerance = 1e-9 * max(case.scale, 1e-300)
    v, q = case.vectors(2, 3), case.covectors(2, 3)
    shared = case.rng.normal(size=(3, 1, operator.cols))
    for method, apply, x, size in (("jvp", operator.jvp, v, operator.rows), ("vjp", operator.vjp, q, operator.cols)):
        together = np.array(apply(x))
        apart = np.stack([np.stack([np.array(apply(x[i, j])) for j in range(3)]) for i in range(2)])
        _require_shape(f"{name}: {method}", x, together, (2, 3, case.samples, size))
        scale = max(float(np.abs(apart).max(initial=0)), 1e-300)
        require_close(f"{name}: {method} with leading axes (2, 3) against one by one", together, apart, 1e-9 * scale)
    pushed = np.broadcast_to(np.array(operator.jvp(shared)), (3, case.samples, operator.rows))
    repeated = operator.jvp(np.repeat(shared, case.samples, axis=1))
    require_close(f"{name}: jvp of v with a sample axis of 1 against v repeated", pushed, repeated, 100 * tolerance)
    summed = operator.vjp_sum(q)
    _require_shape(f"{name}: vjp_sum", q, summed, (2, 3, operator.cols))
    apart = np.stack([np.stack([operator.vjp_sum(q[i, j]) for j in range(3)]) for i in range(2)])
    scale = max(float(np.abs(apart).max(initial=0)), 1e-300)
    require_close(f"{name}: vjp_sum with leading axes (2, 3) against one by one", summed, apart, 1e-9 * scale)


def _require_shape(what: str, x: Array, y: Array, expected: tuple[int, ...]) -> None:
    if np.shape(y) != expected:
        raise CheckError(f"{what} of shape {x.shape} must give shape {expected}, got {np.shape(y)}")


def into(case: OperatorCase) -> None:
    """`jvp_into` and `vjp_into` write to `out` what `jvp` and `vjp` give."""
    for method, apply, write, x in (
        ("jvp", case.operator.jvp, case.operator.jvp_into, case.vectors(3)),
        ("vjp", case.operator.vjp, case.operator.vjp_into, case.covectors(3)),
    ):
        expected = np.array(apply(x))
        out = np.full(expected.shape, np.nan)
        write(x, out)
        scale = max(float(np.abs(expected).max(initial=0)), 1e-300)
        require_close(f"{case.block.name}: {method}_into against {method}", out, expected, 1e-9 * scale)


def keeps_dtype(case: OperatorCase, dtype: Kind) -> None:
    """Products of numbers in `dtype` come out in `dtype`."""
    for method, y in (
        ("jvp", case.operator.jvp(case.vectors().astype(dtype))),
        ("vjp", case.operator.vjp(case.covectors().astype(dtype))),
        ("vjp_sum", case.operator.vjp_sum(case.covectors().astype(dtype))),
    ):
        if np.asarray(y).dtype != dtype:
            raise CheckError(f"{case.block.name}: {method} makes {np.asarray(y).dtype} of {np.dtype(dtype)}")


def arguments(case: OperatorCase) -> None:
    """`jvp`, `vjp` and `vjp_sum` leave what they are given, and what they gave, as it is, and repeat to the bit."""
    for method, apply, x in (
        ("jvp", case.operator.jvp, case.vectors(2)),
        ("vjp", case.operator.vjp, case.covectors(2)),
        ("vjp_sum", case.operator.vjp_sum, case.covectors(2)),
    ):
        before = x.copy()
        given = apply(x)
        first = np.array(given)
        if not np.array_equal(before, x):
            raise CheckError(f"{case.block.name}: {method} changes its argument")
        apply(x + 1)
        if not np.array_equal(given, first):
            hint = "; likely cause: a buffer that is reused"
            raise CheckError(f"{case.block.name}: a later {method} changes what an earlier one gave{hint}")
        x.flags.writeable = False
        if not np.array_equal(first, apply(x)):
            raise CheckError(f"{case.block.name}: {method} gives another result when called again")
        x.flags.writeable = True
        strided = np.repeat(x, 2, axis=-1)[..., ::2]
        scale = max(float(np.abs(first).max(initial=0)), 1e-300)
        require_close(
            f"{case.block.name}: {method} of an array that is not contiguous", apply(strided), first, 1e-9 * scale
        )


def shapes(case: OperatorCase) -> None:
    """`rows` and `cols` are integers, 0 or more; `jvp` and `vjp` give arrays of those sizes, for one sample or N."""
    operator, name = case.operator, case.block.name
    for what, size in (("rows", operator.rows), ("cols", operator.cols)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
            raise CheckError(f"{name}: {what} must be a non-negative integer, got {size!r}")
    for method, y, size in (
        ("jvp", operator.jvp(case.vectors()), operator.rows),
        ("vjp", operator.vjp(case.covectors()), operator.cols),
    ):
        if np.shape(y) != (case.samples, size):
            raise CheckError(f"{name}: {method} must give shape {(case.samples, size)}, got {np.shape(y)}")
    if operator.samples not in {1, case.samples}:
        raise CheckError(f"{name}: samples = {operator.samples}, expected 1 (shared) or {case.samples}")
