"""The operator protocol: a stack of linear maps, one a sample, and the lazy product and sum of any two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from prograd.arrays import Array
from prograd.errors import ShapeError


class Operator(ABC):
    """A stack of N linear maps `J : R^cols -> R^rows`, one a sample, or one map shared by all samples.

    Meant to be subclassed: an author's own operator gives `rows`, `cols`, `jvp` and `vjp`; the rest has defaults.
    Leading axes are free everywhere, so one method serves a vector and a matrix of vectors. Results may share memory
    with the arguments (the identity returns its argument); nothing is ever written into an argument but `out`.
    """

    rows: int
    cols: int
    in_place = False  # whether `jvp_into(v, out)` may be given `v` itself as `out`
    __array_ufunc__ = None  # numpy must not take `op @ array` for its own

    @abstractmethod
    def jvp(self, v: Array) -> Array:
        """`J v`: `(..., N, cols) -> (..., N, rows)`; the sample axis of `v` may be 1."""

    @abstractmethod
    def vjp(self, q: Array) -> Array:
        """`J^T q`: `(..., N, rows) -> (..., N, cols)`; the sample axis of `q` may be 1."""

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n J_n^T q_n`, the sum over the samples: `(..., N, rows) -> (..., cols)`."""
        return np.add.reduce(self.vjp(q), axis=-2, out=out)

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `J v` to `out`; override it where that saves a copy."""
        out[...] = self.jvp(v)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `J^T q` to `out`; override it where that saves a copy."""
        out[...] = self.vjp(q)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Writes the columns start..stop of `J` to `out`, `(stop - start, N, rows)`; override it for speed."""
        unit = np.zeros((stop - start, 1, self.cols), out.dtype)
        unit[range(stop - start), 0, range(start, stop)] = 1
        self.jvp_into(unit, out)

    def columns(self, start: int, stop: int) -> Array:
        """The columns start..stop of `J`: `(stop - start, N, rows)`, with N = 1 when shared."""
        out = np.empty((stop - start, self.samples, self.rows), self.dtype)
        self.columns_into(start, stop, out)
        return out

    def dense(self) -> Array:
        """`J` as an array: `(N, rows, cols)`, or `(1, rows, cols)` when shared."""
        return np.ascontiguousarray(self.columns(0, self.cols).transpose(1, 2, 0))

    @property
    def edges(self) -> int:
        """Multiply-adds of one `jvp` or `vjp`, for one sample. The default is that of a dense matrix."""
        return self.rows * self.cols

    @property
    def column_edges(self) -> int:
        """Multiply-adds that `columns_into` takes for one column, for one sample. The default is that of a `jvp`."""
        return self.edges

    def scratch(self, vectors: int) -> int:
        """How many numbers a product with so many vectors holds for a moment, beside these and its result.

        Override it where that is a good part of both: memory is planned with it. The default is none.
        """
        return 0

    @property
    def samples(self) -> int:
        """N, or 1 when all samples share one map."""
        return int(self._probe().shape[-2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The least precise dtype of a product with this operator."""
        return self._probe().dtype

    def _probe(self) -> Array:
        return self.jvp(np.zeros((1, self.cols), np.float32))

    def __matmul__(self, inner: Operator) -> Operator:
        """`J_outer J_inner`, with what structure the composition rules can keep."""
        if not isinstance(inner, Operator):
            return NotImplemented
        if self.cols != inner.rows:
            raise ShapeError(
                f"can't compose {self!r} after {inner!r}: expected {self.cols} rows of the latter, got {inner.rows}"
            )
        return _combined(_PRODUCTS, self, inner) or Product(self, inner)

    def __add__(self, other: Operator) -> Operator:
        """`J + K`, with what structure the composition rules can keep."""
        if not isinstance(other, Operator):
            return NotImplemented
        if (self.rows, self.cols) != (other.rows, other.cols):
            raise ShapeError(
                f"can't add {other!r} to {self!r}: expected {self.rows} × {self.cols}, got {other.rows} × {other.cols}"
            )
        return _combined(_SUMS, self, other) or _combined(_SUMS, other, self) or Sum(self, other)

    def to_scipy(self) -> LinearOperator:
        """A `scipy.sparse.linalg.LinearOperator`; a stack of N maps becomes one block-diagonal map."""
        samples = self.samples

        def matmat(v: Array) -> Array:
            return self.jvp(v.T.reshape(-1, samples, self.cols)).reshape(v.shape[-1], -1).T

        def rmatmat(q: Array) -> Array:
            return self.vjp(q.T.reshape(-1, samples, self.rows)).reshape(q.shape[-1], -1).T

        return LinearOperator(
            (samples * self.rows, samples * self.cols),
            matvec=lambda v: matmat(v.reshape(-1, 1))[:, 0],
            rmatvec=lambda q: rmatmat(q.reshape(-1, 1))[:, 0],
            matmat=matmat,
            rmatmat=rmatmat,
            dtype=self.dtype,
        )

    def __repr__(self) -> str:
        stack = f", {self.samples} samples" if self.samples > 1 else ""
        return f"{type(self).__name__}[{self.rows} × {self.cols}{stack}]"


class Product(Operator):
    """`outer · inner`, multiplied out by nothing: each product with a vector goes through both."""

    def __init__(self, outer: Operator, inner: Operator) -> None:
        self.outer, self.inner = outer, inner
        self.rows, self.cols = outer.rows, inner.cols

    def jvp(self, v: Array) -> Array:
        """`outer (inner v)`."""
        return self.outer.jvp(self.inner.jvp(v))

    def vjp(self, q: Array) -> Array:
        """`inner^T (outer^T q)`."""
        return self.inner.vjp(self.outer.vjp(q))

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n inner_n^T (outer_n^T q_n)`."""
        return self.inner.vjp_sum(self.outer.vjp(q), out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """`outer` applied to the columns of `inner`."""
        inner = np.empty((*out.shape[:2], self.inner.rows), out.dtype)
        self.inner.columns_into(start, stop, inner)
        self.outer.jvp_into(inner, out)

    @property
    def edges(self) -> int:
        """One product with each factor."""
        return self.outer.edges + self.inner.edges

    @property
    def column_edges(self) -> int:
        """The column of `inner`, and `outer` applied to it."""
        return self.inner.column_edges + self.outer.edges

    @property
    def samples(self) -> int:
        """N of the factor that is a stack."""
        return max(self.outer.samples, self.inner.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The wider dtype of the two."""
        return np.result_type(self.outer.dtype, self.inner.dtype)

    def __repr__(self) -> str:
        return f"({self.outer!r} @ {self.inner!r})"


class Sum(Operator):
    """`left + right`, added up only when applied."""

    def __init__(self, left: Operator, right: Operator) -> None:
        self.left, self.right = left, right
        self.rows, self.cols = left.rows, left.cols

    def jvp(self, v: Array) -> Array:
        """`left v + right v`."""
        return self.left.jvp(v) + self.right.jvp(v)

    def vjp(self, q: Array) -> Array:
        """`left^T q + right^T q`."""
        return self.left.vjp(q) + self.right.vjp(q)

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n left_n^T q_n + Σ_n right_n^T q_n`."""
        q = np.broadcast_to(q, (*q.shape[:-2], max(q.shape[-2], self.samples), self.rows))
        return np.add(self.left.vjp_sum(q), self.right.vjp_sum(q), out=out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """The columns of `left` plus those of `right`."""
        self.left.columns_into(start, stop, out)
        right = np.empty_like(out)
        self.right.columns_into(start, stop, right)
        out += right

    @property
    def edges(self) -> int:
        """One product with each term."""
        return self.left.edges + self.right.edges

    @property
    def column_edges(self) -> int:
        """The columns of both terms."""
        return self.left.column_edges + self.right.column_edges

    @property
    def samples(self) -> int:
        """N of the term that is a stack."""
        return max(self.left.samples, self.right.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The wider dtype of the two."""
        return np.result_type(self.left.dtype, self.right.dtype)

    def __repr__(self) -> str:
        return f"({self.left!r} + {self.right!r})"


# Two operators of known kinds -> one that keeps their structure, or None where that would not pay. Filled once, by
# composition.py at import: it stands apart from the operators so that none of them needs to know the others.
Rule: TypeAlias = Callable[[Any, Any], Operator | None]
RuleT = TypeVar("RuleT", bound=Rule)
_PRODUCTS: Final[dict[tuple[type, type], Rule]] = {}
_SUMS: Final[dict[tuple[type, type], Rule]] = {}


def product_rule(outer: type[Any], inner: type[Any]) -> Callable[[RuleT], RuleT]:
    """Registers how `outer @ inner` keeps its structure."""
    return _register(_PRODUCTS, outer, inner)


def sum_rule(left: type[Any], right: type[Any]) -> Callable[[RuleT], RuleT]:
    """Registers how `left + right`, and so `right + left`, keeps its structure."""
    return _register(_SUMS, left, right)


def _register(table: dict[tuple[type, type], Rule], left: type, right: type) -> Callable[[RuleT], RuleT]:
    def register(rule: RuleT) -> RuleT:
        table[left, right] = rule
        return rule

    return register


def _combined(table: dict[tuple[type, type], Rule], left: Operator, right: Operator) -> Operator | None:
    for key in ((type(left), type(right)), (type(left), Operator), (Operator, type(right))):
        if key in table:
            return table[key](left, right)
    return None
