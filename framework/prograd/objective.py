"""The objective: the mean of `f_{x,y}(w) = ℓ_y(h_x(w))` over the samples, and its derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from prograd import accumulation, checkpoints, checks, factored, recursions, threads
from prograd.arrays import Array, as_real
from prograd.blocks import Blocks
from prograd.chain import check_mode
from prograd.checkpoints import Schedule
from prograd.costs import cheapest
from prograd.errors import LabelError, OptionError, ShapeError
from prograd.layer import Parameters
from prograd.limits import check_max_bytes
from prograd.linearization import Linearization
from prograd.loss import Loss
from prograd.memory import keep_freed_memory
from prograd.network import Network, check_finite
from prograd.orders import Node
from prograd.planning.modes import Task
from prograd.planning.plan import choose
from prograd.planning.recomputation import within
from prograd.shards import Apply, shards, sum_over

DOUBLE: np.dtype[Any] = np.dtype(np.float64)


class Point(NamedTuple):
    """Where an objective is evaluated: `w`, the views into it, and the samples and labels in its dtype."""

    w: Array
    parameters: list[Parameters]
    x: Array
    y: Array


class Objective:
    """`f(w) = (1/N) Σ_n ℓ_{y_n}(h_{x_n}(w))` for the samples `x` `(N, n_1)` with labels `y` `(N, n_{L+1})`.

    One-dimensional `x` and `y` are one sample. If `x` and `w` are both float32, everything is. `x` and `y` are not
    copied. Raises `ShapeError`, `NonFiniteError`, and `LabelError` for labels outside the loss's domain.
    """

    def __init__(self, net: Network, loss: Loss, x: ArrayLike, y: ArrayLike) -> None:
        if not isinstance(net, Network) or not isinstance(loss, Loss):
            raise OptionError(f"expected a Network and a Loss, got {type(net).__name__} and {type(loss).__name__}")
        keep_freed_memory()
        self.net, self.loss = net, loss
        x, one = net.check_x(x)
        y = self._labels(x, one, y)
        self._data = {dtype: (x.astype(dtype, copy=False), y.astype(dtype, copy=False)) for dtype in {x.dtype, DOUBLE}}
        self._one = one
        self._checked = False
        self._last: Point | None = None
        self._best: Node | None = None
        self._schedules: dict[tuple[np.dtype[Any], int, int], Schedule] = {}
        self._cuts = {dtype: shards(len(x), max(net.n) * dtype.itemsize) for dtype in self._data}
        self._sharded = any(len(cuts) > 1 for cuts in self._cuts.values())

    @property
    def samples(self) -> int:
        """N."""
        return len(self._data[DOUBLE][0])

    def __call__(self, w: ArrayLike) -> float:
        """`f(w)`. Raises `ShapeError`, and `NonFiniteError` for `w` or outputs that the loss is not defined for."""
        at = self._again(w)
        z = self.net.evaluate(at.parameters, at.x)
        return self._mean(float(np.add.reduce(self.loss.value(z, at.y))), at)

    def gradient(
        self, w: ArrayLike, mode: str = "reverse", out: Array | None = None, max_bytes: int | None = None
    ) -> Array:
        """`∇f(w)`, `(size,)` in the order of `w`. See `value_and_gradient`."""
        return self.value_and_gradient(w, mode, out, max_bytes)[1]

    def value_and_gradient(
        self, w: ArrayLike, mode: str = "reverse", out: Array | None = None, max_bytes: int | None = None
    ) -> tuple[float, Array]:
        """`f(w)` and `∇f(w)`; the gradient is written to `out`, a contiguous `(size,)` vector, if there is one.

        `mode` is "reverse", "forward" (dense Jacobian, columns in chunks), "factored" (forward mode on operators),
        "optimal" (the cheapest bracketing, which nearly always is reverse mode), or "auto", the one that is predicted
        to be the quickest (see `prograd.plan`). `max_bytes` bounds what the forward modes hold beside the gradient, and
        all that "reverse" holds, which then computes some `z^i` again (see `prograd.checkpoints`). Raises `ShapeError`,
        `NonFiniteError`, `UnknownNameError`, and `OptionError` for too small `max_bytes`.
        """
        if max_bytes is not None:
            check_max_bytes(max_bytes)
        if check_mode(mode) == "auto":
            mode = choose(
                self.net, self.samples, "parameters", Task("gradient", max_bytes), self._dtype(as_real(w, "w"))
            )
        if mode == "optimal" and self._is_reverse(w):
            mode = "reverse"
        if mode != "factored" and (self._sharded or mode != "reverse"):  # factored: its products are large themselves
            with threads.one_blas_thread():
                return self._value_and_gradient(w, mode, out, max_bytes)
        return self._value_and_gradient(w, mode, out, max_bytes)

    def per_sample_gradients(self, w: ArrayLike) -> Array:
        """`∇f_{x_n,y_n}(w)` of each sample, in reverse mode: `(N, size)`; `(size,)` if `x` was one sample."""
        cuts = threads.parts(self.samples, self.samples * self.net.size)
        with threads.one_blas_thread(len(cuts) > 1):
            p = self._per_sample_gradients(self._at(w), cuts)
        return p[0] if self._one else p

    def _per_sample_gradients(self, at: Point, cuts: Sequence[slice]) -> Array:
        p = np.empty((len(at.x), self.net.size), at.w.dtype)

        def part(rows: slice) -> None:
            z, blocks = self._linearized(at.parameters, at.x[rows])
            q = self.loss.gradient(z[-1], at.y[rows])
            recursions.reverse(blocks, q, self.net.slices(p[rows]), recursions.each_into)

        threads.run(part, cuts, len(cuts))
        return p

    def gauss_newton(self, w: ArrayLike) -> LinearOperator:
        """`(1/N) Σ_n J_n^T H_n J_n` with `H_n = ∇²ℓ`, as a scipy `LinearOperator` `(size, size)`.

        Its products cost one `jvp` and one `vjp` of the network each; the matrix is never formed. Raises
        `OptionError` for a loss without a hessian.
        """
        at = self._at(w)
        lin = self._linearize(at)
        H = self.loss.hessian(lin.z[-1], at.y)
        size = self.net.size

        def matmat(v: Array) -> Array:
            return lin.vjp(H.jvp(lin.jvp(np.ascontiguousarray(v.T)))).T / len(at.x)

        def matvec(v: Array) -> Array:
            return matmat(v.reshape(-1, 1))[:, 0]

        return LinearOperator(
            (size, size), matvec=matvec, rmatvec=matvec, matmat=matmat, rmatmat=matmat, dtype=at.w.dtype
        )

    def linearize(self, w: ArrayLike) -> Linearization:
        """`prograd.linearize` of the network at `w` and at the objective's samples."""
        return self._linearize(self._at(w))

    def _linearize(self, at: Point) -> Linearization:
        z, blocks = self._linearized(at.parameters, at.x)
        return Linearization(self.net, z, list(blocks))

    def _linearized(self, parameters: Sequence[Parameters], x: Array) -> tuple[list[Array], Blocks]:
        self._check(parameters, x)
        return recursions.linearize(self.net.layers, parameters, x)

    def _check(self, parameters: Sequence[Parameters], x: Array) -> None:
        if not self._checked:  # once is enough: shapes don't depend on w
            x, y = self._data[x.dtype]  # two of all the samples: a shard may hold one
            checks.loss(self.loss, checks.output(self.net, parameters, x[:2]), y[:2])
            self._checked = True

    def _value_and_gradient(
        self, w: ArrayLike, mode: str, out: Array | None, max_bytes: int | None
    ) -> tuple[float, Array]:
        at = self._again(w)
        p = self._room(out, at.w)
        if mode == "forward":
            total = self._forward_into(at, p, max_bytes)
        elif mode == "factored":
            total = self._factored_into(at, p, max_bytes)
        elif mode == "optimal":
            total = self._optimal_into(at, p)
        else:
            total = self._reverse_into(at, p, max_bytes)
        return self._mean(total, at), p

    def _mean(self, total: float, at: Point) -> float:
        if math.isnan(total):
            checks.domain(self.loss, self.net.evaluate(at.parameters, at.x), at.y)
        return total / len(at.x)

    def _reverse_into(self, at: Point, p: Array, max_bytes: int | None) -> float:
        """Writes `∇f` to `p`; returns the sum of the samples' values."""
        slices = self.net.slices(p)
        samples = len(at.x)
        cuts = self._cuts[p.dtype]
        plan = None if max_bytes is None else self._schedule(at, max_bytes)

        def shard(rows: slice, apply: Apply) -> float:
            if plan is not None:
                return recomputed(plan, rows, apply)
            z, blocks = self._linearized(at.parameters, at.x[rows])
            values, q = self.loss.value_and_gradient(z[-1], at.y[rows])
            recursions.reverse(blocks, q / samples, slices, apply)
            return float(np.add.reduce(values))

        def recomputed(plan: Schedule, rows: slice, apply: Apply) -> float:
            total = 0.0

            def q(z: Array) -> Array:
                nonlocal total
                values, q = self.loss.value_and_gradient(z, at.y[rows])
                total = float(np.add.reduce(values))
                return q / samples

            checkpoints.reverse(plan, self.net.layers, at.parameters, at.x[rows], q, slices, apply)
            return total

        return shard(cuts[0], recursions.sum_into) if len(cuts) == 1 else sum_over(cuts, shard)

    def _schedule(self, at: Point, max_bytes: int) -> Schedule:
        self._check(at.parameters, at.x)
        cuts = self._cuts[at.w.dtype]
        workers = min(threads.available(), len(cuts))
        key = (at.w.dtype, workers, max_bytes)
        if key not in self._schedules:
            rows = max(cut.stop - cut.start for cut in cuts)
            self._schedules[key] = within(self.net, rows, workers, at.w.dtype, max_bytes)
        return self._schedules[key]

    def _forward_into(self, at: Point, p: Array, max_bytes: int | None) -> float:
        lin = self._linearize(at)
        values, q = self.loss.value_and_gradient(lin.z[-1], at.y)
        q = (q / len(at.x)).reshape(-1)

        def use(chunk: range, J: Array) -> None:
            np.matmul(J.reshape(len(J), -1), q, out=p[chunk.start : chunk.stop])

        lin.chain.columns(use, max_bytes)
        return float(np.add.reduce(values))

    def _optimal_into(self, at: Point, p: Array) -> float:
        lin = self._linearize(at)
        values, q = self.loss.value_and_gradient(lin.z[-1], at.y)
        accumulation.gradient_into(lin.chain, q / len(at.x), p)
        return float(np.add.reduce(values))

    def _is_reverse(self, w: ArrayLike) -> bool:
        """Whether reverse mode is the cheapest order: the blocks' structure says it, which is the same for all `w`."""
        if self._best is None:
            chain = self._linearize(self._at(w)).chain
            q = np.broadcast_to(np.ones((), chain.dtype), (chain.samples, chain.rows))
            self._best = cheapest(chain.before(q).blocks, chain.samples)
        return accumulation.is_reverse(self._best)

    def _factored_into(self, at: Point, p: Array, max_bytes: int | None) -> float:
        slices = self.net.slices(p)
        samples = len(at.x)

        def part(rows: slice, apply: Apply) -> float:
            z, made = self._linearized(at.parameters, at.x[rows])
            blocks = list(made)
            values, q = self.loss.value_and_gradient(z[-1], at.y[rows])
            factored.pull(factored.forward(blocks), blocks, q / samples, slices, apply)
            return float(np.add.reduce(values))

        cuts = factored.shards(self.net, samples, p.itemsize, max_bytes)
        if len(cuts) == 1:
            return part(cuts[0], recursions.sum_into)
        with threads.one_blas_thread():
            return sum_over(cuts, part)

    def _again(self, w: ArrayLike) -> Point:
        """The point at `w`, whose views are made once for as long as the same array comes back."""
        last = self._last
        if last is not None and last.w is w:
            self.net.check_w(w)
            return last
        at = self._at(w)
        if at.w is w:
            self._last = at
        return at

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}  # a copy's views would not be views of the copied `w`

    def _at(self, w: ArrayLike) -> Point:
        w = self.net.check_w(w)
        dtype = self._dtype(w)
        w = w.astype(dtype, copy=False)
        return Point(w, self.net.unpack(w), *self._data[dtype])

    def _dtype(self, w: Array) -> np.dtype[Any]:
        return w.dtype if w.dtype in self._data else DOUBLE

    def _labels(self, x: Array, one: bool, y: ArrayLike) -> Array:  # noqa: FBT001
        n = self.net.n[-1]
        y = as_real(y, "y")
        expected = (n,) if one else (len(x), n)
        if y.shape != expected:
            hint = "; prograd.one_hot(labels, K) makes vectors of class numbers" if y.ndim < len(expected) else ""
            outputs = f"the {n} outputs of {self.net.describe(-1)}"
            raise ShapeError(f"y: expected shape {expected}, a row a sample, for {outputs}; got {y.shape}{hint}")
        check_finite(y, "y")
        y = np.atleast_2d(y)
        try:
            self.loss.check(np.zeros(y.shape), y.astype(np.float64, copy=False))
        except LabelError as error:
            msg = f"loss {self.loss.name}: {error}" if self.loss.name not in str(error) else str(error)
            raise LabelError(msg) from error
        return y

    def _room(self, out: Array | None, w: Array) -> Array:
        if out is None:
            return np.empty(self.net.size, w.dtype)
        if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (w.shape, w.dtype) or not out.flags.carray:
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ShapeError(f"out: expected a contiguous, writable {w.dtype} vector of shape {w.shape}, got {got}")
        if np.may_share_memory(out, w):
            raise ShapeError("out: expected memory of its own, got an array that shares w's, which is still being read")
        return out
