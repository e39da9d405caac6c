"""The checks of an operator: that `jvp`, `vjp`, `vjp_sum`, `dense`, `columns`, `edges` and what it declares are one map.

Each is compared with a reference that never passes through the method under test: a matrix known from elsewhere (finite
differences of a layer, a matrix given), or else the columns that `jvp` gives, added up in plain loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.operators import Identity, Operator, Zero
from prograd.testing.diagnosis import Block, require_close, require_matrix, worst
from prograd.testing.report import CheckFailed, CheckSkipped

# Up to so many rows or columns each one is checked; beyond, so many random directions. A wrong entry of a larger matrix
# shows in a random direction as well, and the kit stays quick.
ALL_UP_TO: Final = 48
DIRECTIONS: Final = 6

# Two ways to the same sum differ by a rounding error (1e-16) for each term; thousands of terms stay below this.
ROUNDING: Final = 1e-10

Kind: TypeAlias = type[np.float64] | type[np.float32]


@dataclass
class OperatorCase:
    """An operator with directions `V` `(k, cols)`, `Q` `(m, rows)`, and what it should give for them.

    `reference` is `J V`, `(k, N, rows)`, with its tolerance for each sample, where it is known from elsewhere.
    """

    operator: Operator
    block: Block
    samples: int
    seed: int
    reference: Array | None = None
    tolerance: Array | None = None
    source: str = "finite differences"
    V: Array = field(init=False)
    Q: Array = field(init=False)

    def __post_init__(self) -> None:
        self.V = directions(self.operator.cols, self.seed)
        self.Q = directions(self.operator.rows, self.seed + 1)

    @property
    def subject(self) -> str:
        """How reports call it."""
        return self.block.name

    @property
    def entries(self) -> bool:
        """Whether every entry is looked at, not directions."""
        return len(self.V) == self.operator.cols <= ALL_UP_TO and self.operator.rows <= ALL_UP_TO

    @property
    def rng(self) -> np.random.Generator:
        """Fresh random numbers, the same for every check."""
        return np.random.default_rng(self.seed + 2)

    @cached_property
    def pushed(self) -> Array:
        """`J V` by `jvp`: `(k, N, rows)`."""
        pushed = np.empty((len(self.V), self.samples, self.operator.rows))
        for k, v in enumerate(self.V):
            pushed[k] = self.operator.jvp(np.tile(v, (self.samples, 1)))
        return pushed

    @cached_property
    def scale(self) -> float:
        """The largest number in `J V`."""
        return max(float(np.abs(self.pushed).max(initial=0)), 1e-300)

    def vectors(self, *lead: int) -> Array:
        """Random `v` `(*lead, N, cols)`."""
        return self.rng.normal(size=(*lead, self.samples, self.operator.cols))

    def covectors(self, *lead: int) -> Array:
        """Random `q` `(*lead, N, rows)`."""
        return self.rng.normal(size=(*lead, self.samples, self.operator.rows))

    def require(self, method: str, actual: Array, *, projected: bool, rounding: float = ROUNDING) -> None:
        """Compares `(N, m, k)`, which is `Q J V` if `projected`, with the reference and with what `jvp` gives.

        What agrees with a wrong `jvp` is right about its own map: the wrong formula is then reported once, by the check
        that compares `jvp` with the reference.
        """
        pushed = self._projected(self.pushed) if projected else self.pushed.transpose(1, 2, 0)
        tolerance = rounding * self.scale * max(self.operator.rows, 1)
        if worst(actual, pushed, tolerance) is None:
            return
        if self.reference is not None and self.tolerance is not None:
            known = self._projected(self.reference) if projected else self.reference.transpose(1, 2, 0)
            allowed = self.tolerance[:, None, None] * (1 if self.entries else max(self.operator.rows, 1))
            require_matrix(self.block, method, actual, known, allowed, source=self.source, entries=self.entries)
        else:
            require_matrix(
                self.block, method, actual, pushed, tolerance, source="the columns of jvp", entries=self.entries
            )

    def _projected(self, pushed: Array) -> Array:
        return np.stack([self.Q @ pushed[:, n].T for n in range(self.samples)])


def _rounding(dtype: np.dtype[Any]) -> float:
    """An operator that holds no numbers may write its columns in float32, the least that widens nothing."""
    return ROUNDING if dtype == np.float64 else 1e-5


def directions(size: int, seed: int) -> Array:
    """Every unit vector, or random directions where there are too many."""
    return np.eye(size) if size <= ALL_UP_TO else np.random.default_rng(seed).normal(size=(DIRECTIONS, size))


def linear(case: OperatorCase) -> None:
    """`J (2u − 3v) = 2 J u − 3 J v`, and the same for `J^T`; both are finite."""
    for method, apply, x in (
        ("jvp", case.operator.jvp, case.vectors(2)),
        ("vjp", case.operator.vjp, case.covectors(2)),
    ):
        combined, apart = apply(2 * x[0] - 3 * x[1]), 2 * apply(x[0]) - 3 * apply(x[1])
        if not np.isfinite(combined).all():
            raise CheckFailed(f"{case.block.name}: {method} gives a number that is not finite")
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
        raise CheckFailed(
            f"{name} must give shape ({case.operator.cols},) for q of shape {q.shape}, got {np.shape(summed)}"
        )
    expected = np.zeros(len(case.V))
    candidates = [case.pushed] if case.reference is None else [case.pushed, case.reference]
    tolerance = ROUNDING * case.scale * q.size
    for known in candidates:
        expected = np.zeros(len(case.V))
        for n in range(case.samples):
            for k in range(len(case.V)):
                expected[k] += float(np.dot(q[n], known[k, n]))
        if worst(case.V @ summed, expected, tolerance) is None:
            break
    else:
        require_close(
            f"{name} against the sum over the samples",
            case.V @ summed,
            expected,
            tolerance,
            _sum_cause(case, summed, q),
        )
    out = np.full(case.operator.cols, np.nan)
    case.operator.vjp_sum(q, out=out)
    require_close(f"{name}(q, out=out): out", out, summed, tolerance)


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
    if operator.rows * operator.cols * case.samples > 10**7:  # noqa: PLR2004  (80 MB)
        raise CheckSkipped(f"a dense {operator.rows} × {operator.cols} is too large")
    found = operator.dense()
    if np.shape(found) not in {(n, operator.rows, operator.cols) for n in (1, case.samples)}:
        expected = f"({case.samples} or 1, {operator.rows}, {operator.cols})"
        raise CheckFailed(f"{case.block.name}: dense() must have shape {expected}, got {np.shape(found)}")
    matrix = np.broadcast_to(found, (case.samples, operator.rows, operator.cols))
    pushed = np.stack([matrix[n] @ case.V.T for n in range(case.samples)])
    case.require("dense()", pushed, projected=False, rounding=_rounding(found.dtype))


def columns(case: OperatorCase) -> None:
    """`columns(start, stop)` are those columns of the map: forward mode writes them into its Jacobian."""
    operator = case.operator
    if not len(case.V) == operator.cols <= ALL_UP_TO:
        start = operator.cols // 3
        spans = [(start, start + 5)]
    else:
        spans = [(0, operator.cols), (operator.cols // 3, operator.cols)]
    for start, stop in spans:
        found = operator.columns(start, stop)
        unit = np.zeros((stop - start, 1, operator.cols))
        unit[np.arange(stop - start), 0, np.arange(start, stop)] = 1
        expected = operator.jvp(unit)
        require_close(
            f"{case.block.name}: columns({start}, {stop})",
            np.broadcast_to(found, (stop - start, case.samples, operator.rows)),
            np.broadcast_to(expected, (stop - start, case.samples, operator.rows)),
            _rounding(found.dtype) * case.scale,
        )


def leading_axes(case: OperatorCase) -> None:
    """Leading axes are free, for `jvp`, `vjp` and `vjp_sum`; the sample axis of `v` may be 1."""
    operator, name = case.operator, case.block.name
    tolerance = 1e-9 * max(case.scale, 1e-300)
    v, q = case.vectors(2, 3), case.covectors(2, 3)
    shared = case.rng.normal(size=(3, 1, operator.cols))
    for method, apply, x, size in (("jvp", operator.jvp, v, operator.rows), ("vjp", operator.vjp, q, operator.cols)):
        together = apply(x)
        apart = np.stack([np.stack([apply(x[i, j]) for j in range(3)]) for i in range(2)])
        _require_shape(f"{name}: {method}", x, together, (2, 3, case.samples, size))
        scale = max(float(np.abs(apart).max(initial=0)), 1e-300)
        require_close(f"{name}: {method} with leading axes (2, 3) against one by one", together, apart, 1e-9 * scale)
    pushed = np.broadcast_to(operator.jvp(shared), (3, case.samples, operator.rows))
    repeated = operator.jvp(np.repeat(shared, case.samples, axis=1))
    require_close(f"{name}: jvp of v with a sample axis of 1 against v repeated", pushed, repeated, 100 * tolerance)
    summed = operator.vjp_sum(q)
    _require_shape(f"{name}: vjp_sum", q, summed, (2, 3, operator.cols))
    apart = np.stack([np.stack([operator.vjp_sum(q[i, j]) for j in range(3)]) for i in range(2)])
    scale = max(float(np.abs(apart).max(initial=0)), 1e-300)
    require_close(f"{name}: vjp_sum with leading axes (2, 3) against one by one", summed, apart, 1e-9 * scale)


def _require_shape(what: str, x: Array, y: Array, expected: tuple[int, ...]) -> None:
    if np.shape(y) != expected:
        raise CheckFailed(f"{what} of shape {x.shape} must give shape {expected}, got {np.shape(y)}")


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
    """Products of numbers in `dtype` come out in `dtype`, and `dense` is no wider than that."""
    for method, y in (
        ("jvp", case.operator.jvp(case.vectors().astype(dtype))),
        ("vjp", case.operator.vjp(case.covectors().astype(dtype))),
        ("vjp_sum", case.operator.vjp_sum(case.covectors().astype(dtype))),
    ):
        if np.asarray(y).dtype != dtype:
            raise CheckFailed(f"{case.block.name}: {method} makes {np.asarray(y).dtype} of {np.dtype(dtype)}")
    if np.result_type(case.operator.dense(), dtype) != dtype:
        raise CheckFailed(f"{case.block.name}: dense() of {np.dtype(dtype)} numbers is {case.operator.dense().dtype}")


def arguments(case: OperatorCase) -> None:
    """`jvp`, `vjp` and `vjp_sum` leave what they are given as it is, read-only arrays included, and repeat to the bit."""
    for method, apply, x in (
        ("jvp", case.operator.jvp, case.vectors(2)),
        ("vjp", case.operator.vjp, case.covectors(2)),
        ("vjp_sum", case.operator.vjp_sum, case.covectors(2)),
    ):
        before = x.copy()
        first = np.array(apply(x))
        if not np.array_equal(before, x):
            raise CheckFailed(f"{case.block.name}: {method} changes its argument")
        x.flags.writeable = False
        if not np.array_equal(first, apply(x)):
            raise CheckFailed(f"{case.block.name}: {method} gives another result when called again")
        x.flags.writeable = True
        strided = np.repeat(x, 2, axis=-1)[..., ::2]
        scale = max(float(np.abs(first).max(initial=0)), 1e-300)
        require_close(
            f"{case.block.name}: {method} of an array that is not contiguous", apply(strided), first, 1e-9 * scale
        )


def shapes(case: OperatorCase) -> None:
    """`rows` and `cols` are positive integers; `jvp` and `vjp` give arrays of those sizes, for one sample or N."""
    operator, name = case.operator, case.block.name
    for what, size in (("rows", operator.rows), ("cols", operator.cols)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
            raise CheckFailed(f"{name}: {what} must be a non-negative integer, got {size!r}")
    for method, y, size in (
        ("jvp", operator.jvp(case.vectors()), operator.rows),
        ("vjp", operator.vjp(case.covectors()), operator.cols),
    ):
        if np.shape(y) != (case.samples, size):
            raise CheckFailed(f"{name}: {method} must give shape {(case.samples, size)}, got {np.shape(y)}")
    if operator.samples not in {1, case.samples}:
        raise CheckFailed(f"{name}: samples = {operator.samples}, expected 1 (shared) or {case.samples}")
