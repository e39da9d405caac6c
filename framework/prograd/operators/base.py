"""The operator protocol: a stack of linear maps, one for each sample, and the lazy product and sum of any two."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_array, eye_array

from prograd.arrays import Array, RecordingArray, unit_vectors
from prograd.errors import ShapeError
from prograd.operators import entries, norms
from prograd.operators.derived import derived
from prograd.operators.export import ScipyOperator
from prograd.operators.ledger import counts, uncounted
from prograd.operators.rules import PRODUCTS, SUMS

SHOWN: Final = 8  # factors of a product, at most, in its repr


def _jvp(J: Operator, v: Array, *_: Any, **__: Any) -> int:
    return int(math.prod(v.shape[:-2])) * J.jvp_multiply_adds(v.shape[-2])


def _vjp(J: Operator, q: Array, *_: Any, **__: Any) -> int:
    return int(math.prod(q.shape[:-2])) * J.vjp_multiply_adds(q.shape[-2])


def _norms(J: Operator, q: Array) -> int:
    return int(math.prod(q.shape[:-2])) * J.norm_multiply_adds(q.shape[-2])


def _columns(J: Operator, start: int, stop: int, out: Array) -> int:
    return (stop - start) * J.column_multiply_adds(out.shape[1])


_COUNTED: Final[dict[str, Callable[..., int]]] = {
    "jvp": _jvp,
    "jvp_into": _jvp,
    "vjp": _vjp,
    "vjp_into": _vjp,
    "vjp_sum": _vjp,
    "vjp_norm": _norms,
    "columns_into": _columns,
}
"""The products that a ledger knows, with their multiply-adds."""


class Operator(ABC):
    """A stack of N linear maps `J : R^cols -> R^rows`, one for each sample, or one map that all samples share.

    Meant to be subclassed: an author's own operator gives `rows`, `cols`, `jvp` and `vjp`; the rest has defaults.
    Leading axes are free everywhere, so one method serves a vector and a matrix of vectors. Results may share memory
    with the arguments (the identity returns its argument); an operator writes to no argument but `out`.

    A subclass overrides `edges`, `samples` and the other values by a class attribute, by assigning them in `__init__`,
    or by a property.

    >>> class Reversal(prograd.operators.Operator):
    ...     def __init__(self, n):
    ...         self.rows = self.cols = n
    ...         self.edges = 0
    ...     def jvp(self, v):
    ...         return v[..., ::-1]
    ...     vjp = jvp
    >>> (Reversal(2) @ prograd.operators.Diagonal(np.array([3.0, 4.0]))).dense()
    array([[[0., 4.],
            [3., 0.]]])
    """

    rows: int
    cols: int
    in_place = False
    """Whether `jvp_into(v, out)` accepts `v` itself as `out`."""
    __array_ufunc__ = None  # numpy must not take `op @ array` for its own

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, multiply_adds in _COUNTED.items():
            if name in vars(cls):
                setattr(cls, name, counts(vars(cls)[name], multiply_adds))

    @abstractmethod
    def jvp(self, v: Array) -> Array:
        """`J v`: `(..., N, cols) -> (..., N, rows)`; the sample axis of `v` may be 1."""

    @abstractmethod
    def vjp(self, q: Array) -> Array:
        """`J^T q`: `(..., N, rows) -> (..., N, cols)`; the sample axis of `q` may be 1."""

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n J_n^T q_n`, the sum over the samples: `(..., N, rows) -> (..., cols)`."""
        return np.add.reduce(self.vjp(q), axis=-2, out=out)

    def vjp_norm(self, q: Array) -> Array:
        """`‖J_n^T q_n‖`, the Euclidean norm for each sample: `(..., N, rows) -> (..., N)`. No square overflows.

        Override it, and `norm_edges`, where the structure gives the norm without `J^T q`. The default computes `J^T q`
        for a part of the vectors at a time; the samples go together if each has a map of its own.
        """
        return norms.in_parts(lambda q, _: self.vjp(q), q, self, together=self.samples > 1)

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `J v` to `out`; override it where that saves a copy."""
        out[...] = self.jvp(v)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `J^T q` to `out`; override it where that saves a copy."""
        out[...] = self.vjp(q)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Writes the columns start..stop of `J` to `out`, `(stop - start, N, rows)`; override it for speed."""
        self.jvp_into(unit_vectors(self.cols, slice(start, stop), like=out), out)

    def columns(self, start: int, stop: int) -> Array:
        """The columns start..stop of `J`: `(stop - start, N, rows)`, with N = 1 when shared."""
        like = next((a for a in self.arrays() if isinstance(a, RecordingArray)), None)
        out = np.empty((stop - start, self.samples, self.rows), self.dtype, like=like)
        self.columns_into(start, stop, out)
        return out

    def row_block(self, part: slice, like: Array) -> Array:
        """Some rows of `J`: `(rows, N, cols)`, with N = 1 when shared, in the dtype of `like`."""
        return self.vjp(unit_vectors(self.rows, part, like))

    def part(self, at: slice) -> Operator:
        """The map made of the columns `at` alone; override it where a part keeps the structure."""
        return Product(self, Part(self.cols, at))

    def dense(self) -> Array:
        """`J` as an array: `(N, rows, cols)`, or `(1, rows, cols)` when shared."""
        return self.columns(0, self.cols).transpose(1, 2, 0).copy()

    @derived
    def edges(self) -> int:
        """Multiply-adds of one `jvp` or `vjp`, for one sample. The default is that of a dense matrix."""
        return self.rows * self.cols

    @derived
    def column_edges(self) -> int:
        """Multiply-adds of one column in `columns_into`, for one sample. The default is that of a `jvp`."""
        return self.edges

    @derived
    def norm_edges(self) -> int:
        """Multiply-adds of one `vjp_norm`, for one sample. The default is a `vjp`, and a square for each entry."""
        return self.edges + self.cols

    def jvp_multiply_adds(self, samples: int = 1) -> int:
        """Those of `jvp` for one vector, or for one each of `samples` samples."""
        return max(samples, self.samples) * self.edges

    def vjp_multiply_adds(self, samples: int = 1) -> int:
        """Those of `vjp`."""
        return max(samples, self.samples) * self.edges

    def norm_multiply_adds(self, samples: int = 1) -> int:
        """Those of `vjp_norm`."""
        return max(samples, self.samples) * self.norm_edges

    def column_multiply_adds(self, samples: int = 1) -> int:
        """Those of one column in `columns_into`, for `samples` samples."""
        return self.samples * self.column_edges

    def arrays(self) -> Iterator[Array]:
        """The arrays that a product reads; the default finds those among the operator's attributes."""
        for value in vars(self).values():
            if isinstance(value, (np.ndarray, RecordingArray)):
                yield value  # type: ignore[misc]  # what records is as good as an array
            elif isinstance(value, Operator):
                yield from value.arrays()

    @derived
    def samples(self) -> int:
        """N, or 1 when all samples share one map."""
        return int(self._probe().shape[-2])

    @derived
    def dtype(self) -> np.dtype[Any]:
        """The least precise dtype of a product with this operator."""
        return self._probe().dtype

    def _probe(self) -> Array:
        y: Array = uncounted(self.jvp)(np.zeros((1, self.cols), np.float32))
        if y.ndim != 2:
            raise ShapeError(f"{type(self).__name__}: jvp of shape (1, {self.cols}): expected 2 axes, got {y.shape}")
        return y

    def __matmul__(self, inner: Operator) -> Operator:
        """`J_outer J_inner`; keeps the structure where a rule knows how."""
        if not isinstance(inner, Operator):
            return NotImplemented
        if self.cols != inner.rows:
            raise ShapeError(
                f"{self!r} @ {inner!r}: expected {self.cols} rows of the second operator, got {inner.rows}"
            )
        made = (rule(self, inner) for rule in PRODUCTS.find(self, inner))
        return next(filter(None, made), None) or Product(self, inner)

    def __add__(self, other: Operator) -> Operator:
        """`J + K`; keeps the structure where a rule knows how."""
        if not isinstance(other, Operator):
            return NotImplemented
        if (self.rows, self.cols) != (other.rows, other.cols):
            raise ShapeError(
                f"{self!r} + {other!r}: expected {self.rows} × {self.cols} of both, got {other.rows} × {other.cols}"
            )
        made = (rule(J, K) for J, K in ((self, other), (other, self)) for rule in SUMS.find(J, K))
        return next(filter(None, made), None) or Sum(self, other)

    def kronecker_factors(self) -> tuple[Operator, Array]:
        """`F` and `right` `(N, t)` with `J = F ⊗ right^T`. The default is `J ⊗ 1`."""
        return self, np.ones((1, 1), self.dtype)

    def column_blocks(self, step: int) -> Iterator[Array]:
        """All columns in blocks of about `step`: `(N, rows, columns)`."""
        for start in range(0, self.cols, step):
            yield self.columns(start, min(start + step, self.cols)).transpose(1, 2, 0)

    def column_blocks_behind(self, outer: Operator, step: int) -> Iterator[Array]:
        """The columns of `outer J`, as `column_blocks` gives them."""
        for start in range(0, self.cols, step):
            yield Product(outer, self).columns(start, min(start + step, self.cols)).transpose(1, 2, 0)

    def csr(self, samples: int = 1) -> csr_array:
        """The entries: a block for each of `samples` samples on the diagonal, `(N rows) × (N cols)`.

        Zeros that follow from the structure are not stored. The default looks for zeros in the columns.
        """
        return entries.of_columns(self, max(samples, self.samples))

    def to_scipy(self) -> ScipyOperator:
        """A `scipy.sparse.linalg.LinearOperator`; a stack of N maps becomes one block-diagonal map."""
        samples = self.samples
        return ScipyOperator(self.jvp, self.vjp, (samples, self.rows), (samples, self.cols), self.dtype)

    def __repr__(self) -> str:
        stack = f", {self.samples} samples" if self.samples > 1 else ""
        return f"{type(self).__name__}[{self.rows} × {self.cols}{stack}]"


# The default computes more than the products in it, which count by themselves in the other defaults.
Operator.vjp_norm = counts(Operator.vjp_norm, _norms)  # type: ignore[method-assign]  # the same method, counted


class Product(Operator):
    """`outer · inner`, not multiplied out: each product with a vector goes through both.

    Products of products are flat: `factors` holds all of them, the outermost first, so that thousands of factors take
    no deep recursion.

    >>> J = prograd.operators.Dense(np.ones((4, 1))) @ prograd.operators.Dense(np.ones((1, 4)))
    >>> type(J).__name__, J.edges, J.dense().size
    ('Product', 8, 16)
    """

    edges: int

    def __init__(self, outer: Operator, inner: Operator, *more: Operator) -> None:
        given = (outer, inner, *more)
        self.factors: tuple[Operator, ...] = tuple(factor for one in given for factor in factors_of(one))
        self.rows, self.cols = given[0].rows, given[-1].cols
        self.edges = sum(one.edges for one in given)

    @property
    def outer(self) -> Operator:
        """The outermost factor."""
        return self.factors[0]

    @property
    def inner(self) -> Operator:
        """All other factors."""
        return product_of(self.factors[1:])

    def jvp(self, v: Array) -> Array:
        """`outer (inner v)`."""
        for factor in reversed(self.factors):
            v = factor.jvp(v)
        return v

    def vjp(self, q: Array) -> Array:
        """`inner^T (outer^T q)`."""
        for factor in self.factors:
            q = factor.vjp(q)
        return q

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n inner_n^T (outer_n^T q_n)`."""
        *others, last = self.factors
        for factor in others:
            q = factor.vjp(q)
        return last.vjp_sum(q, out)

    def vjp_norm(self, q: Array) -> Array:
        """The norm that the innermost factor gives for what the others make of `q`."""
        *others, last = self.factors
        for factor in others:
            q = factor.vjp(q)
        return last.vjp_norm(q)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """`outer` applied to the columns of `inner`."""
        first, *others = self.factors
        columns = np.empty((*out.shape[:2], self.factors[-1].rows), out.dtype, like=out)
        self.factors[-1].columns_into(start, stop, columns)
        for factor in reversed(others[:-1]):
            before, columns = columns, np.empty((*out.shape[:2], factor.rows), out.dtype, like=out)
            factor.jvp_into(before, columns)
        first.jvp_into(columns, out)

    def part(self, at: slice) -> Operator:
        return Product(*self.factors[:-1], self.factors[-1].part(at))

    def kronecker_factors(self) -> tuple[Operator, Array]:
        """`outer F` and the right factor of `inner`."""
        F, right = self.factors[-1].kronecker_factors()
        for factor in reversed(self.factors[:-1]):
            F = factor @ F
        return F, right

    def column_blocks(self, step: int) -> Iterator[Array]:
        return self.factors[-1].column_blocks_behind(product_of(self.factors[:-1]), step)

    def csr(self, samples: int = 1) -> csr_array:
        samples = max(samples, self.samples)
        return reduce(entries.product, (factor.csr(samples) for factor in self.factors))

    def arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        for factor in self.factors:
            yield from factor.arrays()

    def jvp_multiply_adds(self, samples: int = 1) -> int:
        return _through(self.factors[::-1], samples, lambda J, N: J.jvp_multiply_adds(N))

    def vjp_multiply_adds(self, samples: int = 1) -> int:
        return _through(self.factors, samples, lambda J, N: J.vjp_multiply_adds(N))

    def norm_multiply_adds(self, samples: int = 1) -> int:
        """The norm for the innermost factor, behind a `vjp` of all others."""
        *others, last = self.factors
        behind = max((factor.samples for factor in others), default=1)
        pulled = _through(others, samples, lambda J, N: J.vjp_multiply_adds(N))
        return pulled + last.norm_multiply_adds(max(samples, behind))

    def column_multiply_adds(self, samples: int = 1) -> int:
        """A column of the innermost factor, and all others applied to it."""
        *others, last = self.factors
        return last.column_multiply_adds(samples) + sum(factor.jvp_multiply_adds(samples) for factor in others)

    @derived
    def samples(self) -> int:
        return max(factor.samples for factor in self.factors)

    @derived
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(factor.dtype for factor in self.factors))

    def __repr__(self) -> str:
        shown = [repr(factor) for factor in self.factors]
        if len(shown) > SHOWN:
            shown[SHOWN // 2 : -SHOWN // 2] = ["…"]
        return f"({' @ '.join(shown)})"


def _through(factors: Sequence[Operator], samples: int, multiply_adds: Callable[[Operator, int], int]) -> int:
    """Of a vector that goes through all factors: a stack makes one for each sample of one for all."""
    total = 0
    for factor in factors:
        total += multiply_adds(factor, samples)
        samples = max(samples, factor.samples)
    return total


def factors_of(operator: Operator) -> tuple[Operator, ...]:
    """The factors of a product, the outermost first; any other operator is its own factor."""
    return operator.factors if isinstance(operator, Product) else (operator,)


def product_of(factors: Sequence[Operator]) -> Operator:
    """The product of at least one factor, not multiplied out."""
    return Product(*factors) if len(factors) > 1 else factors[0]


class Sum(Operator):
    """`left + right`, added up only when applied.

    >>> J = prograd.operators.Dense(np.ones((2, 2))) + prograd.operators.Kronecker(2, np.ones((4, 1)))
    >>> type(J).__name__, J.samples
    ('Sum', 4)
    """

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

    def part(self, at: slice) -> Operator:
        return self.left.part(at) + self.right.part(at)

    def csr(self, samples: int = 1) -> csr_array:
        samples = max(samples, self.samples)
        total: csr_array = self.left.csr(samples) + self.right.csr(samples)
        return total

    @derived
    def edges(self) -> int:
        return self.left.edges + self.right.edges

    def jvp_multiply_adds(self, samples: int = 1) -> int:
        return self.left.jvp_multiply_adds(samples) + self.right.jvp_multiply_adds(samples)

    def vjp_multiply_adds(self, samples: int = 1) -> int:
        return self.left.vjp_multiply_adds(samples) + self.right.vjp_multiply_adds(samples)

    def norm_multiply_adds(self, samples: int = 1) -> int:
        return self.vjp_multiply_adds(samples) + max(samples, self.samples) * self.cols

    def column_multiply_adds(self, samples: int = 1) -> int:
        return self.left.column_multiply_adds(samples) + self.right.column_multiply_adds(samples)

    @derived
    def samples(self) -> int:
        return max(self.left.samples, self.right.samples)

    @derived
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(self.left.dtype, self.right.dtype)

    def __repr__(self) -> str:
        return f"({self.left!r} + {self.right!r})"


class Part(Operator):
    """The columns `at` of `I_n`."""

    samples = 1
    edges = 0
    column_edges = 0
    dtype = np.dtype(np.float32)

    def __init__(self, n: int, at: slice) -> None:
        self.at = at
        self.rows, self.cols = n, len(range(n)[at])

    def jvp(self, v: Array) -> Array:
        """`v` among zeros."""
        moved = np.zeros((*v.shape[:-1], self.rows), v.dtype, like=v)
        moved[..., self.at] = v
        return moved

    def vjp(self, q: Array) -> Array:
        """The entries `at` of `q`."""
        return q[..., self.at]

    def csr(self, samples: int = 1) -> csr_array:
        return entries.for_each(eye_array(self.rows, dtype=self.dtype, format="csr")[:, self.at], samples)
