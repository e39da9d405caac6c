"""The objective: the mean of `f_{x,y}(w) = ℓ_y(h_x(w))` over the samples, and its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from prograd import checks, options, planning, threads
from prograd.arrays import Array, as_real, checked_bytes, refuse_mask
from prograd.errors import LabelError, OptionError, ShapeError
from prograd.linearization import Linearization
from prograd.loss import Loss
from prograd.memory import keep_freed_memory
from prograd.modes import Evaluation, Mode, ModeName
from prograd.modes.reverse import per_sample_gradients
from prograd.modes.shards import shards
from prograd.network import Network, check_finite, is_finite
from prograd.operators import Operator
from prograd.operators.export import ScipyOperator

DOUBLE: np.dtype[Any] = np.dtype(np.float64)


class Objective:
    """`f(w) = (1/N) Σ_n ℓ_{y_n}(h_{x_n}(w))` for the samples `x` `(N, n_1)` with labels `y` `(N, n_{L+1})`.

    One-dimensional `x` and `y` are one sample. If `x` and `w` are both float32, everything is. Each call reads arrays
    of either type anew, so it sees what was changed in place. Raises `ShapeError`, `NonFiniteError`, and `LabelError`
    for labels outside the loss's domain.
    """

    def __init__(self, net: Network, loss: Loss, x: ArrayLike, y: ArrayLike) -> None:
        if not isinstance(net, Network) or not isinstance(loss, Loss):
            got = f"{type(net).__name__} and {type(loss).__name__}"
            raise OptionError(f"Objective: expected a Network and a Loss, got {got}")
        keep_freed_memory()
        self.net, self.loss = net, loss
        self._x, self._one = net.check_x(x)
        self._y = self._labels(y)
        self._checked = False
        self._last: Evaluation | None = None
        self._shards = {t: shards(len(self._x), max(net.n) * t.itemsize) for t in {self._x.dtype, DOUBLE}}

    @property
    def samples(self) -> int:
        """N."""
        return len(self._x)

    def __call__(self, w: ArrayLike) -> float:
        """`f(w)`. Raises `ShapeError`, and `NonFiniteError` for `w` or outputs that the loss is not defined for."""
        at = self._again(w)
        z = self.net.evaluate(at.parameters, at.x)
        values = self.loss.value(z, at.y)
        total = float(np.add.reduce(values))
        if math.isnan(total):
            checks.domain(self.loss, z, at.y)
        return _mean(total, values)

    def gradient(
        self, w: ArrayLike, mode: ModeName | Mode = "reverse", out: Array | None = None, max_bytes: int | None = None
    ) -> Array:
        """`∇f(w)`, `(size,)` in the order of `w`. See `value_and_gradient`."""
        return self.value_and_gradient(w, mode, out, max_bytes)[1]

    def value_and_gradient(
        self, w: ArrayLike, mode: ModeName | Mode = "reverse", out: Array | None = None, max_bytes: int | None = None
    ) -> tuple[float, Array]:
        """`f(w)` and `∇f(w)`; the gradient is written to `out`, a contiguous `(size,)` vector, if there is one.

        `mode` is "reverse", "forward" (dense Jacobian, columns in chunks), "factored" (forward mode on operators),
        "optimal" (the cheapest bracketing, which is reverse mode for a gradient), or "auto", the one that is predicted
        to be the quickest (see `prograd.plan`). `max_bytes` bounds what the forward modes hold apart from the gradient,
        and all that "reverse" holds, which then computes some `z^i` again. Raises `ShapeError`, `NonFiniteError`,
        `UnknownNameError`, and `OptionError` for too small `max_bytes`.
        """
        max_bytes = checked_bytes(max_bytes)
        w = as_real(w, "w")
        dtype = self._dtype(w)
        used = planning.resolve(mode, self.net, self.samples, "parameters", "gradient", max_bytes, dtype)
        with threads.one_blas_thread(used.threads("gradient", large=len(self._shards[dtype]) > 1)):
            at = self._again(w)
            self._check(at)
            p = self._room(out, at.w)
            total = used.gradient(at, p, max_bytes)
            self._check_numbers(total, p, at)
            return (total / at.samples if math.isfinite(total) else self(at.w)), p

    def per_sample_gradients(self, w: ArrayLike) -> Array:
        """`∇f_{x_n,y_n}(w)` of each sample, in reverse mode: `(N, size)`; `(size,)` if `x` was one sample."""
        parts = threads.parts(self.samples, self.samples * self.net.size)
        with threads.one_blas_thread(len(parts) > 1):
            at = self._at(w)
            self._check(at)
            p = np.empty((self.samples, self.net.size), at.w.dtype)
            self._check_numbers(per_sample_gradients(at, p, parts), p, at)
        return p[0] if self._one else p

    def gauss_newton(self, w: ArrayLike) -> LinearOperator:
        """`(1/N) Σ_n J_n^T H_n J_n` with `H_n = ∇²ℓ`, as a scipy `LinearOperator` `(size, size)`.

        Its products cost one `jvp` and one `vjp` of the network each; the matrix is never formed. Raises
        `OptionError` for a loss without a hessian, and `NonFiniteError` as `value_and_gradient` does.
        """
        at = self._at(w)
        lin = self._linearization(at)
        H = self.loss.hessian(lin.z[-1], at.y)
        checks.curvature(self.loss, H, lin.z[-1], at.y)
        product = _GaussNewton(lin, H)
        size = (self.net.size,)
        return ScipyOperator(product, product, size, size, at.w.dtype)

    def linearize(self, w: ArrayLike) -> Linearization:
        """`prograd.linearize` of the network at `w` and at the objective's samples."""
        return self._linearization(self._at(w))

    def _linearization(self, at: Evaluation) -> Linearization:
        self._check(at)
        return at.linearization()

    def _check(self, at: Evaluation) -> None:
        if not self._checked:  # once is enough: shapes don't depend on w
            checks.loss(self.loss, checks.output(self.net, at.parameters, at.x[:2]), at.y[:2])
            self._checked = True

    def _check_numbers(self, total: float, p: Array, at: Evaluation) -> None:
        if math.isnan(total) or not is_finite(p):
            checks.smooth(self.loss, self.net.evaluate(at.parameters, at.x), at.y)

    def _again(self, w: ArrayLike) -> Evaluation:
        """The evaluation at `w`, whose views are made once for as long as the same array comes back."""
        last = self._last
        if last is not None and last.w is w:
            self.net.check_w(w)
            return last
        at = self._at(w)
        if (at.w is w) and (at.x is self._x) and (at.y is self._y):  # a copy would not follow changes in place
            self._last = at
        return at

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}  # a copy's views would not be views of the copied `w`

    def _at(self, w: ArrayLike) -> Evaluation:
        w = self.net.check_w(w)
        dtype = self._dtype(w)
        w = w.astype(dtype, copy=False)
        self.net.check_options(dtype)
        options.check_range(self.loss, dtype)
        x, y = self._x.astype(dtype, copy=False), self._y.astype(dtype, copy=False)
        return Evaluation(self.net, self.loss, w, self.net.unpack(w), x, y, self._shards[dtype])

    def _dtype(self, w: Array) -> np.dtype[Any]:
        return w.dtype if w.dtype in self._shards else DOUBLE

    def _labels(self, y: ArrayLike) -> Array:
        n = self.net.n[-1]
        y = as_real(y, "y")
        expected = (n,) if self._one else (self.samples, n)
        if y.shape != expected:
            hint = ""
            if n == 1 and y.size == self.samples:
                hint = f"; y.reshape{expected} has it" if y.ndim else f"; np.reshape(y, {expected}) has it"
            elif y.ndim < len(expected):
                hint = "; prograd.one_hot(labels, K) makes vectors of class numbers"
            raise ShapeError(
                f"y: expected shape {expected}, a row for each sample and {n} outputs of {self.net.describe(-1)}, "
                f"got {y.shape}{hint}"
            )
        check_finite(y, "y")
        with np.errstate(over="ignore"):
            check_finite(y.astype(self._x.dtype, copy=False), f"y in {self._x.dtype}, which x has")
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
        refuse_mask(out, "out")
        if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (w.shape, w.dtype) or not out.flags.carray:
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ShapeError(f"out: expected a contiguous, writable {w.dtype} vector of shape {w.shape}, got {got}")
        for name, read in (("w", w), ("x", self._x), ("y", self._y)):
            if np.shares_memory(out, read):
                raise ShapeError(
                    f"out: expected memory of its own, got an array that shares {name}'s, which is still being read"
                )
        return out


def _mean(total: float, values: Array) -> float:
    """Their mean, where their sum may have overflowed."""
    return total / len(values) if math.isfinite(total) else float(np.add.reduce(values / len(values)))


class _GaussNewton:
    """`v -> (1/N) Σ_n J_n^T H_n J_n v` for a stack of vectors."""

    def __init__(self, lin: Linearization, H: Operator) -> None:
        self._lin, self._H = lin, H

    def __call__(self, v: Array) -> Array:
        return self._lin.vjp(self._H.jvp(self._lin.jvp(np.ascontiguousarray(v)))) / self._lin.samples
