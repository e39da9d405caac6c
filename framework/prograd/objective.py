"""The objective: the mean of `f_{x,y}(w) = c ℓ_y(h_x(w))` over the samples, and its derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse.linalg import LinearOperator

from prograd import checks, curvature, options, planning
from prograd.arrays import Array, RecordingArray, as_real, checked_bytes, refuse_mask
from prograd.chosen import Names, Wanted
from prograd.errors import OptionError, ShapeError, instance_hint
from prograd.linearization import Linearization
from prograd.loss import Loss
from prograd.modes import Evaluation, Mode, ModeName, Outputs
from prograd.modes.recomputation import object_bytes
from prograd.modes.samples import per_sample_gradients
from prograd.network import Network, is_finite
from prograd.operators import Operator
from prograd.operators.export import ScipyOperator
from prograd.penalized import Penalized
from prograd.penalty import Penalty
from prograd.plugins.registry import loss as registered_loss
from prograd.plugins.registry import penalty as registered_penalty
from prograd.tape import machine
from prograd.tape.replay import Tapes, signature
from prograd.tape.tape import Tape, record
from prograd.targets import targets
from prograd.totals import SUMS, Totals, close
from prograd.weights import sample_weights

DOUBLE: np.dtype[Any] = np.dtype(np.float64)


class Objective:
    """`f(w) = (1/N) Σ_n c_n ℓ_{y_n}(h_{x_n}(w)) + R(w)` for samples `x` `(N, n_1)` with labels `y` `(N, n_{L+1})`.

    `weights` are the numbers `c_n`, `(N,)`, not negative; without them, they are 1. They multiply the losses, and the
    sum is divided by N whatever they are: weights whose mean is 1 make a weighted mean. A mapping `{class: weight}`
    gives each sample `Σ_k y_k c_k`, for labels that are one-hot or probabilities (one output is that of class 1); it
    reads `y` once. A sample of weight 0 adds nothing, but its loss has to be finite. `penalty` is a `Penalty`, the name
    of a registered one, or a list of these: `R(w)` is their sum over the parameters that each chooses.

    `loss` is a `Loss`, or the name of a registered one, which then has its defaults. One-dimensional `x` and `y` are
    one sample. If `x` and `w` are both float32, everything is. Each call reads arrays of either type anew, so it sees
    what was changed in place. Raises `ShapeError`, `NonFiniteError`, `LabelError` for labels outside the loss's domain,
    `OptionError` for negative weights, and `UnknownNameError`.

    >>> net = prograd.Network([prograd.layer("affine", width=1, bias=False)], n_in=2)
    >>> f = prograd.Objective(net, "squared_error", x=[[1, 2], [3, 4]], y=[[1], [1]])
    >>> w = np.array([1.0, 0.0])
    >>> f(w)
    1.0
    >>> f.gradient(w, mode="forward")
    array([3., 4.])
    >>> f.per_sample_gradients(w)
    array([[0., 0.],
           [6., 8.]])
    >>> f.gauss_newton(w) @ w
    array([5., 7.])
    """

    def __init__(  # noqa: PLR0913, PLR0917  (what there is to say of an objective)
        self,
        net: Network,
        loss: Loss | str,
        x: ArrayLike,
        y: ArrayLike,
        weights: ArrayLike | Mapping[int, float] | None = None,
        penalty: Penalty | str | Sequence[Penalty | str] | None = None,
    ) -> None:
        if isinstance(loss, str):
            loss = registered_loss(loss)
        if not isinstance(net, Network) or not isinstance(loss, Loss):
            got = f"{type(net).__name__} and {type(loss).__name__}{instance_hint(loss)}"
            raise OptionError(f"Objective: expected a Network and a Loss, got {got}")
        self.net, self.loss, self.penalties = net, loss, _penalties(penalty)
        self._penalized = Penalized(net, self.penalties)
        self._sums_shape = (SUMS + bool(self._penalized.terms),)
        self._x, self._one = net.check_x(x)
        self._y = targets(net, loss, y, self._x, one=self._one)
        self._c = None if weights is None else sample_weights(weights, self._y, self._x.dtype, one=self._one)
        self._checked: set[str] = set()
        self._shape, self._chars = (net.size,), {self._x.dtype.char, DOUBLE.char}
        self._tapes = Tapes()
        self._given = (self._x, self._y) if self._c is None else (self._x, self._y, self._c)
        alike = all(a.dtype == self._x.dtype and a.flags.c_contiguous for a in self._given)
        self._as_given = {self._x.dtype.char: self._given} if alike else {}

    @property
    def samples(self) -> int:
        """N."""
        return len(self._x)

    def __repr__(self) -> str:
        samples = "1 sample" if self.samples == 1 else f"{self.samples} samples"
        added = " + ".join([self.loss.name, *(each.name for each in self.penalties)])
        return f"Objective({added} of {self.net!r}; {samples}, {self._x.dtype})"

    def __call__(self, w: ArrayLike) -> float:
        """`f(w)`. Raises `ShapeError`, and `NonFiniteError` for `w` or outputs that the loss is not defined for."""
        w = self._w(w)
        return self._sums(w, self._value, (), "value")

    def gradient(
        self,
        w: ArrayLike,
        mode: ModeName | Mode = "reverse",
        out: Array | None = None,
        max_bytes: int | None = None,
        layers: Wanted | None = None,
    ) -> Array:
        """`∇f(w)`, `(size,)` in the order of `w`. See `value_and_gradient`."""
        return self.value_and_gradient(w, mode, out, max_bytes, layers)[1]

    def value_and_gradient(
        self,
        w: ArrayLike,
        mode: ModeName | Mode = "reverse",
        out: Array | None = None,
        max_bytes: int | None = None,
        layers: Wanted | None = None,
    ) -> tuple[float, Array]:
        """`f(w)` and `∇f(w)`; the gradient is written to `out`, a contiguous `(size,)` vector, if there is one.

        `mode` is "reverse" or its other name "backward", "forward" (dense Jacobian, columns in chunks), "factored"
        (forward mode on operators), "optimal" (the cheapest bracketing, which is reverse mode for a gradient), or
        "auto", the one that is predicted to be the quickest (see `prograd.plan`). `max_bytes` bounds all that the call
        allocates, the gradient included: forward modes take fewer columns or samples at once, and "reverse" computes
        some `z^i` again.

        With `layers`, such as `[0, (2, "W")]`, the gradient is by the parameters of these layers, or by a parameter,
        alone: it has as many entries as they have, in the order of `w`, and is `gradient(w)[net.entries(layers)]`.
        No derivative is computed of the layers before the first of them. Raises `ShapeError`, `NonFiniteError`,
        `UnknownNameError`, and `OptionError` for too small `max_bytes`, and for layers that have no parameters.
        """
        max_bytes = checked_bytes(max_bytes)
        w = self._w(w)
        chosen = self._chosen(layers)
        used, room = self._resolve(mode, "gradient", max_bytes, w.dtype, chosen)
        p = self._room(out, w, chosen)
        return self._sums(w, self._gradient, (p,), used, room, chosen, max_bytes=max_bytes), p

    def per_sample_gradients(self, w: ArrayLike, layers: Wanted | None = None) -> Array:
        """`c_n ∇ℓ_{y_n}(h_{x_n}(w))` of each sample, in reverse mode: `(N, size)`; `(size,)` if `x` was one sample.

        Penalties are not in them: `∇f` is their mean and `∇R`. `layers` are as in `value_and_gradient`.
        """
        w, chosen = self._w(w), self._chosen(layers)
        p = machine.empty((self.samples, *self._shape_by(chosen)), w.dtype)
        self._sums(w, self._each, (p,), "per sample", chosen)
        return p[0] if self._one else p

    def per_sample_norms(self, w: ArrayLike, max_bytes: int | None = None, layers: Wanted | None = None) -> Array:
        """`‖c_n ∇ℓ_{y_n}(h_{x_n}(w))‖` of each sample: `(N,)`, or one number if `x` was one sample.

        No gradient is formed: one pass of reverse mode gives `‖A_i^T q‖` for each parameter from structure, such as
        `‖q‖ ‖z‖` for a matrix. No square overflows. `max_bytes` bounds all that the call allocates: the samples are
        then taken in parts. With `layers`, the gradients are by the parameters of these alone. Raises what
        `value_and_gradient` raises.
        """
        w, max_bytes, chosen = self._w(w), checked_bytes(max_bytes), self._chosen(layers)
        used, room = self._resolve("reverse", "per_sample_norms", max_bytes, w.dtype, chosen)
        norms = np.empty(self.samples, w.dtype)
        self._sums(w, self._norms, (norms,), "norms", used, room, chosen, max_bytes=max_bytes)
        return norms[0] if self._one else norms

    def clipped_gradient(
        self,
        w: ArrayLike,
        max_norm: float,
        out: Array | None = None,
        max_bytes: int | None = None,
        layers: Wanted | None = None,
    ) -> Array:
        """`(1/N) Σ_n min(1, max_norm/‖∇_n‖) ∇_n + ∇R(w)` with `∇_n = c_n ∇ℓ_{y_n}(h_{x_n}(w))`, in the order of `w`.

        It is the mean over the samples, as `gradient` is, and is `gradient` if no norm is above `max_norm`, which may
        be infinite. Penalties R have no sample, so they are not clipped. The result changes by at most `2 max_norm / N`
        where a sample is replaced by another one: differentially private training adds noise to it (Abadi et al.,
        2016). Gradients of single samples are not formed. `out`, `max_bytes` and `layers` are as in `gradient` and
        `per_sample_norms`. Raises what they raise, and `OptionError` unless `max_norm` is a positive number.
        """
        w, max_bytes = self._w(w), checked_bytes(max_bytes)
        if isinstance(max_norm, bool) or not isinstance(max_norm, Real) or not max_norm > 0:
            raise OptionError(f"clipped_gradient: max_norm: expected a positive number, got {max_norm!r}")
        range_ = np.finfo(w.dtype)
        limit = np.array([min(max(float(max_norm), float(range_.smallest_subnormal)), float(range_.max))], w.dtype)
        chosen = self._chosen(layers)
        used, room = self._resolve("reverse", "clipped_gradient", max_bytes, w.dtype, chosen)
        p = self._room(out, w, chosen)
        self._sums(w, self._clipped, (p,), "clipped", used, room, chosen, max_bytes=max_bytes, inputs=(limit,))
        return p

    def gauss_newton(self, w: ArrayLike) -> LinearOperator:
        """`(1/N) Σ_n c_n J_n^T H_n J_n + ∇²R(w)` with `H_n = ∇²ℓ`, as a scipy `LinearOperator` `(size, size)`.

        Its products cost one `jvp` and one `vjp` of the network each; the matrix is never formed. Raises
        `OptionError` for a loss or a penalty without a hessian, and `NonFiniteError` as `value_and_gradient` does.
        """
        at = self._at(w)
        lin = at.linearization()
        H = self._hessian(lin.z[-1], at)
        self._penalized.curved(at.parameters)
        product = curvature.GaussNewton(lin, H, at, self._penalized)
        size = (self.net.size,)
        return ScipyOperator(product, product, size, size, at.w.dtype)

    def hessian_vector(self, w: ArrayLike, v: ArrayLike) -> Array:
        """`∇²f(w) v`, `(size,)`, exactly, in about three times the time of a gradient: what scipy calls `hessp`.

        It is the derivative of reverse mode along `v`, which has the dtype of `w`; the matrix is never formed. Raises
        `OptionError`, with its name, for a layer without `jacobian_along` (activations: `d2phi`) and for a loss or a
        penalty without a hessian, `ShapeError`, and `NonFiniteError` as `value_and_gradient` does.
        """
        w = self._w(w)
        v = as_real(v, "v")
        if v.shape != self._shape:
            raise ShapeError(f"v: expected shape {self._shape}, as w has, got {v.shape}")
        p = np.empty_like(w)
        used, _ = self._resolve("reverse", "hessian_vector", None, w.dtype)
        self._sums(w, self._hessian_vector, (p,), "hessian", used, inputs=(_contiguous(v, w.dtype),))
        if not is_finite(p):
            self._penalized.curved(self._curved(w).parameters)
        return p

    def gauss_newton_diagonal(self, w: ArrayLike) -> Array:
        """The diagonal of `(1/N) Σ_n c_n J_n^T H_n J_n`, `(size,)`; penalties are not in it.

        It follows from the blocks: for one `I ⊗ z^T`, from the rows of its left factor and the squares of `z`. Other
        blocks have the rows of `J` computed for a few samples at a time. Raises what `gauss_newton` does.
        """
        return curvature.gauss_newton_diagonal(self._curved(w))

    def fisher_diagonal(self, w: ArrayLike) -> Array:
        """The diagonal of the empirical Fisher matrix `(1/N) Σ_n c_n ∇ℓ_n ∇ℓ_n^T`, `(size,)`; without penalties.

        `∇ℓ_n` is the gradient at the given label. The mean over labels that the model itself draws is the true Fisher
        matrix. For `softmax_cross_entropy`, `logistic` and `squared_error` it is that of Gauss-Newton, whose diagonal
        is `gauss_newton_diagonal`. Raises what `value_and_gradient` does.
        """
        at = self._at(w)
        checks.smooth(self.loss, self.net.evaluate(at.parameters, at.x), at.y, at.c)
        return curvature.fisher_diagonal(at)

    def kronecker_factors(self, w: ArrayLike) -> curvature.Factors:
        """`(G, Z)` for each parameter, by layer and name: its block of Gauss-Newton is nearly `G ⊗ Z` (KFAC).

        For a block `A = I ⊗ z^T`, `Z` is `(1/N) Σ z_n z_n^T` and `G` is `(1/N) Σ c_n P_n^T H_n P_n`, where `P` is the
        derivative of the outputs by those of the layer. For a block of s such rows, as convolutions have, `Z` sums over
        them and `G` is their mean. A parameter such as a bias, with no more entries than the layer has outputs, has
        `Z = 1` and the exact block as `G`. Other parameters are left out, and penalties are not in it. Martens and
        Grosse, 2015; Grosse and Martens, 2016. Raises what `gauss_newton` does.

        >>> net = prograd.Network([prograd.layer("affine", width=1, bias=False)], n_in=2)
        >>> f = prograd.Objective(net, "squared_error", x=[[1, 2], [3, 4]], y=[[1], [1]])
        >>> f.kronecker_factors([1.0, 0.0])
        [{'W': (array([[1.]]), array([[ 5.,  7.],
               [ 7., 10.]]))}]
        """
        return curvature.kronecker_factors(self._curved(w))

    def linearize(self, w: ArrayLike) -> Linearization:
        """`prograd.linearize` of the network at `w` and at the objective's samples."""
        return self._at(w).linearization()

    def tape(
        self, mode: ModeName | Mode = "reverse", dtype: DTypeLike = np.float64, max_bytes: int | None = None
    ) -> Tape:
        """The tape of `value_and_gradient` in a mode. Raises `NotRecordable`, and what `value_and_gradient` raises."""
        max_bytes = checked_bytes(max_bytes)
        dtype = np.dtype(dtype) if np.dtype(dtype).char in self._chars else DOUBLE
        used, room = self._resolve(mode, "gradient", max_bytes, dtype)
        self._check(self.net.init(0).astype(dtype))
        size = ((self.net.size,), dtype)
        run = partial(self._run, self._gradient, (used, room, None))
        return record(run, [size, *signature(self._data(dtype))], [size, (self._sums_shape, dtype)])

    def _resolve(
        self, mode: str | Mode, outputs: Outputs, max_bytes: int | None, dtype: Any, chosen: Names | None = None
    ) -> tuple[Mode, int | None]:
        weighted = self._c is not None
        if max_bytes is not None and self._penalized.terms and outputs != "per_sample_norms":
            least = object_bytes(self.net) + self._penalized.gradient_bytes(np.dtype(dtype), chosen)
            if max_bytes < least:
                raise OptionError(f"max_bytes: expected at least {least} for the penalty, got {max_bytes}")
        return planning.resolve(
            mode, self.net, self.samples, chosen or "parameters", outputs, max_bytes, dtype, self.loss, weighted
        )

    def _sums(
        self,
        w: Array,
        function: Callable[..., Totals],
        outputs: tuple[Array, ...],
        *what: Any,
        max_bytes: int | None = None,
        inputs: tuple[Array, ...] = (),
    ) -> float:
        """The mean of the losses, with the penalties, by `function(*what, at, *inputs, *outputs)`, recorded.

        The function returns the sum of the losses, and that of the penalties if there are any.
        """
        data = self._data(w.dtype)
        if w.dtype.char not in self._checked:
            self._check(self.net.check_w(w))
        sums = np.empty(self._sums_shape, w.dtype)
        key = (what, w.dtype.char, data[0].shape, data[1].shape)
        self._tapes.call(key, partial(self._run, function, what), (w, *data, *inputs), (*outputs, sums), max_bytes)
        total, of_w, *penalty = sums.tolist()
        if not math.isfinite(of_w):
            self.net.check_w(w)
        mean = total / len(data[0]) if math.isfinite(total) else self._mean(w, total, smooth=bool(outputs))
        if penalty and math.isnan(penalty[0]):
            parameters = self.net.unpack(w)
            self._penalized.smooth(parameters, gradient=bool(outputs))
            penalty = [float(self._penalized.value(parameters) or 0)]
        return mean + penalty[0] if penalty else mean

    def _run(self, function: Callable[..., Totals], what: tuple[Any, ...], *arrays: Array) -> None:
        """What is recorded: reads `w` and the data, and writes to the others, the last of which are the sums."""
        read = 1 + len(self._given)
        at = self._evaluation(*arrays[:read])
        close(arrays[-1], function(*what, at, *arrays[read:-1]), at)

    def _mean(self, w: Array, total: float, *, smooth: bool) -> float:
        """The mean of losses whose sum is not finite: it may have overflowed. Raises `NonFiniteError`."""
        at = self._at(w)
        z = self.net.evaluate(at.parameters, at.x)
        if math.isnan(total):
            (checks.smooth if smooth else checks.domain)(self.loss, z, at.y, at.c)
        return float(np.add.reduce(at.weighted(self.loss.value(z, at.y) / at.samples)))

    def _value(self, _: str, at: Evaluation) -> Totals:
        total: Array = np.add.reduce(at.weighted(self.loss.value(self.net.evaluate(at.parameters, at.x), at.y)))
        return total, self._penalized.value(at.parameters)

    def _gradient(self, mode: Mode, max_bytes: int | None, chosen: Names | None, at: Evaluation, p: Array) -> Totals:
        total = mode.gradient(at.only(chosen, cut=max_bytes is None), p, max_bytes)
        return total, self._penalized.add_gradient(at.parameters, p, at.only(chosen, cut=False).net.spans)

    def _each(self, _: str, chosen: Names | None, at: Evaluation, p: Array) -> Totals:
        return per_sample_gradients(at.only(chosen, cut=True), p), self._penalized.value(at.parameters)

    def _norms(
        self, _: str, mode: Mode, max_bytes: int | None, chosen: Names | None, at: Evaluation, norms: Array
    ) -> Totals:
        total = mode.per_sample_norms(at.only(chosen, cut=max_bytes is None), norms, max_bytes)
        return total, self._penalized.value(at.parameters)

    def _clipped(  # noqa: PLR0913, PLR0917
        self,
        _: str,
        mode: Mode,
        max_bytes: int | None,
        chosen: Names | None,
        at: Evaluation,
        limit: Array,
        p: Array,
    ) -> Totals:
        total = mode.clipped_gradient(at.only(chosen, cut=max_bytes is None), limit, p, max_bytes)
        return total, self._penalized.add_gradient(at.parameters, p, at.only(chosen, cut=False).net.spans)

    def _hessian_vector(self, _: str, mode: Mode, at: Evaluation, v: Array, p: Array) -> Totals:
        total = mode.hessian_vector(at, v, p)
        self._penalized.add_product(at.parameters, v, p)
        return total, self._penalized.value(at.parameters)

    def _data(self, dtype: np.dtype[Any]) -> tuple[Array, ...]:
        return self._as_given.get(dtype.char) or tuple(_contiguous(a, dtype) for a in self._given)

    def _evaluation(self, w: Array, x: Array, y: Array, c: Array | None = None) -> Evaluation:
        if not isinstance(w, RecordingArray):  # which has no numbers to check
            self.net.check_w(w)
        return Evaluation(self.net, self.loss, w, self.net.unpack(w), x, y, c)

    def _check(self, w: Array) -> None:
        """Once for each dtype is enough: shapes and options don't depend on `w`."""
        if w.dtype.char in self._checked:
            return
        self.net.check_options(w.dtype)
        options.check_range(self.loss, w.dtype)
        x, y, *_ = self._data(w.dtype)
        parameters = self.net.unpack(w)
        checks.loss(self.loss, checks.output(self.net, parameters, x[:2]), y[:2])
        self._penalized.check(parameters)
        self._checked.add(w.dtype.char)

    def _curved(self, w: ArrayLike) -> Evaluation:
        """The objective at `w`, where the hessian of the loss is finite."""
        at = self._at(w)
        self._hessian(self.net.evaluate(at.parameters, at.x), at)
        return at

    def _hessian(self, z: Array, at: Evaluation) -> Operator:
        H = checks.hessian(self.loss, z, at.y)
        checks.curvature(self.loss, H, z, at.y)
        return H

    def _at(self, w: ArrayLike) -> Evaluation:
        w = self._w(w)
        self._check(w)
        return self._evaluation(w, *self._data(w.dtype))

    def _w(self, w: ArrayLike) -> Array:
        """`w` as a contiguous vector in the dtype of the computation."""
        if not isinstance(w, np.ndarray) or w.__class__ is not np.ndarray or w.shape != self._shape:
            w = self.net.check_w(w)
        return _contiguous(w, w.dtype if w.dtype.char in self._chars else DOUBLE)

    def _chosen(self, layers: Wanted | None) -> Names | None:
        return None if layers is None else self.net.names(layers)

    def _shape_by(self, chosen: Names | None) -> tuple[int, ...]:
        """That of a gradient."""
        return self._shape if chosen is None else (self.net.part(chosen, 0).size,)

    def _room(self, out: Array | None, w: Array, chosen: Names | None = None) -> Array:
        shape = self._shape_by(chosen)
        if out is None:
            return np.empty(shape, w.dtype) if w.nbytes < machine.LARGE_BYTES else machine.empty(shape, w.dtype)
        refuse_mask(out, "out")
        if not isinstance(out, np.ndarray) or (out.shape, out.dtype) != (shape, w.dtype) or not out.flags.carray:
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ShapeError(f"out: expected a contiguous, writable {w.dtype} vector of shape {shape}, got {got}")
        for name, read in zip(("w", "x", "y", "weights"), (w, *self._given), strict=False):
            if np.shares_memory(out, read):
                raise ShapeError(
                    f"out: expected memory of its own, got an array that shares {name}'s, which is still being read"
                )
        return out


def _contiguous(a: Array, dtype: np.dtype[Any]) -> Array:
    return a if a.dtype is dtype and a.flags.c_contiguous else np.ascontiguousarray(a, dtype)


def _penalties(given: Penalty | str | Sequence[Penalty | str] | None) -> tuple[Penalty, ...]:
    each: Sequence[Any] = given if isinstance(given, (list, tuple)) else [given] * (given is not None)
    found = [registered_penalty(one) if isinstance(one, str) else one for one in each]
    for one in found:
        if not isinstance(one, Penalty):
            raise OptionError(f"Objective: expected a Penalty, its name, or a list of these, got {type(one).__name__}")
    return tuple(found)
