"""Single operations: a replay gives numpy's own bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special
from threadpoolctl import threadpool_limits

from prograd.tape import machine
from prograd.tape.tape import record

Case = Callable[..., Any]


def in_place(a: Any, b: Any) -> Any:
    c = a + 1
    c *= b
    c[:, 1] = b[0]
    c[0] += c[1]
    c[...] -= 3
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
    "casts": (lambda a: (a > 0).astype(a.dtype) + np.float32(1), [(4, 3)]),
}


@pytest.mark.parametrize("machine_name", [name for name in ("c", "numpy") if name != "c" or machine.available()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_a_replay_gives_numpys_bits(name: str, dtype: type, machine_name: str) -> None:
    function, shapes = CASES[name]
    rng = np.random.default_rng(1)
    first, second = ([rng.normal(size=shape).astype(dtype) for shape in shapes] for _ in range(2))
    with threadpool_limits(1):  # BLAS cuts a product by the number of its threads
        expected = np.asarray(function(*first))

    def write(*arrays: Any) -> None:
        arrays[-1][...] = function(*arrays[:-1])

    tape = record(write, [(shape, np.dtype(dtype)) for shape in shapes], [(expected.shape, expected.dtype)])
    with machine.using(machine_name):
        for given in (second, first):
            out = np.full(expected.shape, 7, expected.dtype)
            tape.replay([*given, out], whole=True)
    np.testing.assert_array_equal(out, expected)
    assert out.tobytes() == expected.tobytes()
    if machine_name == "c":
        cut = np.full(expected.shape, 7, expected.dtype)
        tape.replay([*first, cut])
        np.testing.assert_allclose(cut, expected, rtol=100 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)
