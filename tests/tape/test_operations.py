"""Single operations: a replay gives numpy's own bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special

from prograd.errors import NotRecordable, ShapeError
from prograd.tape.tape import record
from tests.helpers.recorded import MACHINES, assert_numpys_bits

Case = Callable[..., Any]

COLUMNS = np.array([2, 0, 5, -1, 1, 1, 1, 3, 4])
MASK = np.array([True, False, True, True, False, False, True])
SCATTERED = np.random.default_rng(0).permutation(9999)


def masked(a: Any) -> Any:
    c = a.copy()
    c[c > 0] = 0
    return c


def written(a: Any) -> Any:
    c = np.zeros(a.shape)
    c[...] = a
    return c


def constant_written(a: Any) -> Any:
    c = np.eye(7, like=a)
    c[0] = 2
    return a @ c


def demanding(a: Any) -> Any:
    if not isinstance(a, np.ndarray):
        raise TypeError("an array, please")
    return a


def in_place(a: Any, b: Any) -> Any:
    c = a + 1
    c *= b
    c[:, 1] = b[0]
    c[0] += c[1]
    c[...] -= 3
    return c


def by_index(a: Any) -> Any:
    c = a.copy()
    c[:, [0, 2, 2]] += 1
    c[:, COLUMNS] = np.arange(9.0)
    c[[3, 1]] = c[:2]
    c[:, MASK] *= 2
    return c


def overlap(a: Any) -> Any:
    c = a.copy()
    c[1:] += c[:-1]
    c[:10] = c[5:15]
    return c


CASES: dict[str, tuple[Case, list[tuple[int, ...]]]] = {
    "add": (lambda a, b: a + b, [(5, 7), (5, 7)]),
    "broadcast": (lambda a, b: a * b, [(5, 7), (7,)]),
    "scalars": (lambda a: 2 * a - 0.5, [(3, 4)]),
    "numpy scalars": (lambda a: np.float64(2) * a, [(3, 4)]),
    "compare": (lambda a, b: (a > b) * a, [(6,), (6,)]),
    "and": (lambda a, b: np.where((a > 0) & (b > 0), a, b), [(6, 2), (6, 2)]),
    "functions": (lambda a: np.exp(a) + np.tanh(a) + special.expit(a) + np.log1p(np.abs(a)), [(9, 33)]),
    "ndtr": (special.ndtr, [(9,)]),
    "sin of a transposed array": (lambda a: np.sin(a.T), [(9, 33)]),
    "powers": (lambda a: a**2 + a**3 + abs(a) ** 0.5, [(7,)]),
    "in place": (in_place, [(4, 3), (3,)]),
    "overlap": (overlap, [(20,)]),
    "sum": (lambda a: a.sum(), [(1000,)]),
    "long sum": (lambda a: a.sum(), [(30000,)]),
    "sum over rows": (lambda a: a.sum(axis=0), [(300, 17)]),
    "sum over columns": (lambda a: a.sum(axis=-1, keepdims=True), [(17, 300)]),
    "sum over short columns": (lambda a: a.sum(axis=-1), [(1000, 3)]),
    "sum of all": (lambda a: a.sum(), [(30, 7, 5)]),
    "sum over two axes": (lambda a: a.sum(axis=(1, 3)), [(3, 4, 5, 6)]),
    "sum of a transposed array": (lambda a: a.T.sum(axis=0), [(30, 7)]),
    "sum of a slice": (lambda a: a[:, ::2].sum(axis=1), [(30, 70)]),
    "sum of reversed": (lambda a: a[::-1].sum(axis=0), [(30, 7)]),
    "sum along a middle axis": (lambda a: a.sum(axis=1), [(5, 40, 6)]),
    "maximum": (lambda a: a.max(axis=-1), [(30, 7)]),
    "maximum of tiles": (lambda a: a.reshape(3, 2, 4, 2).max(axis=(1, 3)), [(48,)]),
    "minimum of all": (np.min, [(30, 7)]),
    "mean": (lambda a: a.mean(axis=0), [(30, 7)]),
    "any": (lambda a: np.where((a > 1).any(axis=1), 1.0, 2.0), [(30, 7)]),
    "matmul": (lambda a, b: a @ b, [(5, 7), (7, 3)]),
    "matmul with transposed": (lambda a, b: a.T @ b.T, [(7, 5), (3, 7)]),
    "matrix and vector": (lambda a, b: a @ b, [(5, 7), (7,)]),
    "vector and matrix": (lambda a, b: a @ b, [(7,), (7, 3)]),
    "inner product": (lambda a, b: a @ b, [(70,), (70,)]),
    "stacks": (lambda a, b: a @ b, [(4, 5, 7), (4, 7, 3)]),
    "stack and matrix": (lambda a, b: a @ b, [(2, 4, 5, 7), (7, 3)]),
    "gram": (lambda a: a.T @ a, [(7, 5)]),
    "vecdot": (np.vecdot, [(9, 31), (9, 31)]),
    "dot": (np.dot, [(9, 31), (31, 2)]),
    "outer": (lambda a, b: np.outer(a, b) + np.multiply.outer(a, b), [(9,), (4,)]),
    "large matmul": (lambda a, b: a @ b, [(300, 200), (200, 100)]),
    "windows": (lambda a: sliding_window_view(a, (3, 3), axis=(1, 2)).reshape(2, -1, 9).sum(axis=-1), [(2, 6, 5)]),
    "reshape that copies": (lambda a: a.T.reshape(-1) * 2, [(6, 5)]),
    "diagonal": (lambda a: np.einsum("iji->ij", a) * 2, [(4, 3, 4)]),
    "stack": (lambda a, b: np.stack([a, b], axis=-1), [(4, 3), (4, 3)]),
    "concatenate": (lambda a, b: np.concatenate([a, b], axis=1), [(4, 3), (4, 2)]),
    "clip": (lambda a: np.clip(a, -0.5, 0.5), [(40,)]),
    "copies": (lambda a: a.copy() + a.astype(np.float64), [(4, 3)]),
    "like": (lambda a: np.zeros_like(a) + np.full((3,), 2.0, like=a) + np.eye(3, like=a), [(3, 3)]),
    "unread": (lambda a: a + np.empty((0, 3), like=a).sum(axis=0), [(3,)]),
    "no columns": (lambda a: a[:, :0] @ np.ones((0, 2)), [(3, 4)]),
    "long chain": (lambda a, b: (np.tanh(a + b) * a + 1) * (a - b), [(300, 70), (70,)]),
    "variance": (lambda a: np.var(a, axis=0) + a.var(axis=0, ddof=1) - np.std(a), [(30, 7)]),
    "deviation": (lambda a: a.std(axis=-1, keepdims=True), [(30, 7)]),
    "roll": (lambda a: np.roll(a, 2, axis=1) + np.roll(a, -3) + np.roll(a, (1, 9), axis=(0, 1)), [(5, 7)]),
    "tile": (lambda a: np.tile(a, (2, 1, 3)) + np.tile(a, 3), [(5, 7)]),
    "repeat": (lambda a: np.repeat(a, 2, axis=1) + a.repeat([2, 1, 2, 2, 1, 4, 2], axis=1), [(5, 7)]),
    "norm": (lambda a: np.linalg.norm(a) * a / np.linalg.norm(a, axis=1, keepdims=True), [(5, 7)]),
    "norm of a transposed array": (lambda a: np.linalg.norm(a.T), [(50, 70)]),
    "other norms": (lambda a: np.linalg.norm(a, 1, axis=1) - np.linalg.norm(a, np.inf, axis=1), [(5, 7)]),
    "cumulative": (lambda a: np.cumsum(a, axis=1) * a.cumprod(axis=0) + np.cumsum(a)[3], [(5, 7)]),
    "accumulate": (lambda a: np.maximum.accumulate(a, axis=0), [(5, 7)]),
    "diff": (lambda a: np.diff(a, n=2) + np.diff(a, axis=0)[0, :5], [(5, 7)]),
    "pad": (lambda a: np.pad(a, ((0, 1), (2, 3)), constant_values=3) + np.pad(a, ((0, 1), (2, 3))), [(5, 7)]),
    "pad with entries": (lambda a: np.pad(a, 2, "edge") + np.pad(a, 2, "reflect") * np.pad(a, 2, "wrap"), [(5, 7)]),
    "take": (lambda a: np.take(a, COLUMNS, axis=1) * a.take(3) - np.take(a, 1, axis=0)[0], [(5, 7)]),
    "constant indices": (lambda a: a[:, COLUMNS] + a[[2]][:, [0]], [(5, 7)]),
    "two constant indices": (lambda a: a[np.ix_([0, 2, 3], [1, 5, 2])] + a[[1, 2, 3], [2, 2, 4]], [(5, 7)]),
    "sum of constant indices": (lambda a: a[:, COLUMNS].sum(axis=1) + a[:, None, [0, 2]].sum(), [(50, 7)]),
    "constant masks": (lambda a: a[:, MASK].sum(axis=1) + a[np.tri(5, 7, dtype=bool)].sum(), [(5, 7)]),
    "no indices": (lambda a: a[:, []].sum(axis=1), [(5, 7)]),
    "written by index": (by_index, [(5, 7)]),
    "triangles": (lambda a: np.triu(a) - 2 * np.tril(a, -1) + np.triu(a, 2), [(6, 6)]),
    "trace": (lambda a: np.trace(a) + a.trace(1) + a.diagonal().prod(), [(60, 60)]),
    "diag": (lambda a: np.diag(np.diag(a)) + np.diag(a[0, 1:], 1), [(6, 6)]),
    "inner": (lambda a, b: np.inner(a, b) + np.inner(a, b[0])[:, None], [(5, 7), (4, 7)]),
    "dot of stacks": (lambda a, b: np.dot(a, b) + np.dot(a[0], b), [(5, 6, 7), (5, 7, 3)]),
    "vdot": (np.vdot, [(5, 7), (5, 7)]),
    "tensordot": (lambda a, b: np.tensordot(a, b, 1) + np.tensordot(a, b.T, ([1], [1])), [(5, 7), (7, 3)]),
    "einsum of products": (lambda a, b: np.einsum("ni,nj->nji", a, b), [(5, 7), (5, 3)]),
    "einsum of entries": (lambda a, b: np.einsum("ij,ji->ij", a, np.where(b > 0, 0, b)), [(5, 7), (7, 5)]),
    "select": (lambda a: np.select([a > 1, a > 0], [a, 2 * a], 0.5), [(5, 7)]),
    "joins": (lambda a, b: np.hstack([a, b]) + np.vstack([a.T, b.T]).T, [(5, 7), (5, 2)]),
    "joins of all": (lambda a, b: np.concatenate([a, b], axis=None), [(5, 7), (5, 2)]),
    "splits": (lambda a: np.multiply(*np.split(a, 2, axis=1)) + np.unstack(a)[0][:4], [(5, 8)]),
    "turned": (lambda a: np.rot90(a) - np.fliplr(a).T, [(5, 7)]),
    "in Fortran's order": (lambda a: a.reshape(7, 5, order="F") + a.ravel("F").reshape(7, 5), [(5, 7)]),
    "at least": (lambda a, b: np.add(*np.atleast_2d(a, b)), [(7,), (5, 7)]),
    "made like": (lambda a: np.array([1.0, 2, 3], like=a) + np.asarray(a, like=a) @ np.tri(3, like=a), [(3, 3)]),
    "empty like transposed": (lambda a: np.multiply(a.T, 2, out=np.empty_like(a.T)).sum(), [(50, 70)]),
    "initial": (lambda a: a.sum(axis=1, initial=1) + a.max(axis=1, initial=0), [(5, 7)]),
    "clipped by name": (lambda a: a.clip(max=0.5) + np.clip(a, a_min=0, a_max=None), [(5, 7)]),
    "copysign": (lambda a: np.copysign(2, a) + np.divmod(a, 0.3)[1], [(5, 7)]),
    "real": (lambda a: a.real * np.real(a) + a.conj(), [(5, 7)]),
    "a power of numpy's own": (lambda a: np.abs(a) ** np.float64(0.5), [(5, 7)]),
    "casts": (lambda a: (a > 0).astype(a.dtype) + np.float32(1), [(4, 3)]),
}


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_a_replay_gives_numpys_bits(name: str, dtype: type, used: str) -> None:
    function, shapes = CASES[name]
    rng = np.random.default_rng(1)
    assert_numpys_bits(function, [rng.normal(size=shape).astype(dtype) for shape in shapes], used)


REFUSED: dict[str, tuple[Case, str]] = {
    "sort": (np.sort, "numpy's sort"),
    "argmax": (lambda a: a.argmax(), "numpy's .argmax"),
    "a mask of values": (lambda a: a[a > 0], "an index that depends on values; select with np.where"),
    "a mask of values that is written to": (masked, "an index that depends on values; select with np.where"),
    "positions of values": (lambda a: a[np.where(a > 0)], "np.where with one argument"),
    "if": (lambda a: a if a.sum() > 0 else -a, "whether it is true"),
    "min": (lambda a: min(a[0, 0], a[0, 1]), "whether it is true"),
    "math": (lambda a: math.exp(a[0, 0]), "a number (float)"),
    "item": (lambda a: a.item(0), "numpy's .item"),
    "tolist": (lambda a: a.tolist(), "numpy's .tolist"),
    "asarray": (np.asarray, "an array of numbers (np.asarray"),
    "a list of arrays": (lambda a: np.array([a, a]), "an array of numbers (np.asarray"),
    "scipy's own conversion": (special.logsumexp, "an array of numbers (np.asarray"),
    "an array that was made without like": (written, "a write to an array that was made without like="),
    "out without like": (lambda a: np.exp(a, out=np.empty(a.shape)), "an array that was made with np.empty"),
    "copyto": (lambda a: np.copyto(np.empty(a.shape), a), "an array that was made with np.empty"),
    "where=": (lambda a: np.log(a, where=a > 0, out=np.zeros_like(a)), "log with where="),
    "a sum with where=": (lambda a: a.sum(where=a > 0), "add with where="),
    "an einsum that sums": (lambda a: np.einsum("ij,ij->i", a, a), "np.einsum('ij,ij->i'), which sums; use @"),
    "an index of true": (lambda a: a[True], "an index of bool"),
    "apart": (lambda a: a[None][[0], :, [1]], "an index with arrays that is not made of a few slices"),
    "random places": (lambda a: np.zeros(9999, like=a)[SCATTERED], "an index with arrays that is not made of a few"),
    "big-endian constants": (lambda a: np.concatenate([a, np.ones((5, 7), ">f8")]), "arrays of >f8"),
    "single bytes": (lambda a: np.concatenate([a, np.ones((5, 7), np.int8)]), "arrays of int8"),
    "an argument that is not known": (lambda a: np.diff(a, prepend=0), "got an unexpected keyword argument 'prepend'"),
    "no array of numpy's": (demanding, "numbers (TypeError: an array, please)"),
    "a constant that is written to": (constant_written, "to change an array that it was given to read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_numbers_is_refused(name: str) -> None:
    function, what = REFUSED[name]

    def write(a: Any, out: Any) -> None:
        out[...] = function(a)

    signature = ((5, 7), np.dtype(float))
    with pytest.raises(NotRecordable) as caught:
        record(write, [signature], [signature])
    assert what in caught.value.what


def test_errors_of_the_functions_own_are_not_hidden() -> None:
    def write(*_: Any) -> None:
        raise ShapeError("a: expected three axes")

    with pytest.raises(ShapeError, match="three axes"):
        record(write, [((2,), np.dtype(float))], [((2,), np.dtype(float))])
