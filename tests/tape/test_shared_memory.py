"""Arrays that share memory, in one block and in many; arrays without entries or axes; constants that change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prograd.tape import machine
from prograd.tape.replay import Tapes
from tests.helpers.recorded import MACHINES, assert_numpys_bits


def then(c: Any, *changes: Callable[[Any], Any]) -> Any:
    """`c` after the changes."""
    for change in changes:
        change(c)
    return c


def of(c: Any, function: Callable[[Any], Any]) -> Any:
    """`function(c)`."""
    return function(c)


def put(key: Any, value: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Writes `value(c)` to `c[key]`."""

    def change(c: Any) -> None:
        c[key] = value(c)

    return change


def swapped_by_a_view(a: Any) -> Any:
    c = a * 2
    first = c[0]
    c[0] = c[1]
    c[1] = first  # what c[0] is now
    return c


def swapped(a: Any) -> Any:
    c = a * 2
    first = c[0].copy()
    c[0] = c[1]
    c[1] = first
    return c


def read_before_it_changes(a: Any) -> Any:
    c = a * 2
    sums = c[::-1] + 1
    view = c[::-1]
    c *= 3
    return sums + view + c


def its_first_row_then_others(a: Any) -> Any:
    c, d = a * 2, np.tanh(a)
    larger = np.where(d > c[0], d, 1)
    c[...] = np.sin(c) + larger
    return c + larger


def two_backwards(a: Any) -> Any:
    c, d = np.tanh(a), np.sin(a)
    return np.exp(-np.abs((c + d[::-1]) * (c - d)))


def many_reads(a: Any) -> Any:
    c, d = a * 2, a * 3
    return c * d + d * c[::-1] + c[::-1] * d[::-1]


def interleaved(a: Any) -> Any:
    return np.stack((a + 1, a - 1), axis=-2).reshape(2 * a.shape[0], -1) * 2


def into_columns(a: Any) -> Any:
    c = a * 2
    c[:, ::2] = c[:, 1:2].sum(axis=1, keepdims=True)
    return c


def transposed_out(a: Any) -> Any:
    made = np.empty(a.shape[::-1], a.dtype, like=a)
    np.multiply(a, 2, out=made.T)
    return made


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "an array and its reverse": lambda a: of(np.exp(a), lambda c: np.tanh(c + c[::-1])),
    "an array and its mirror image": lambda a: of(a * 2, lambda c: c * c[:, ::-1]),
    "two arrays backwards": two_backwards,
    "its first row, then others": its_first_row_then_others,
    "many reads": many_reads,
    "neighbours": lambda a: of(a * 2, lambda c: c[1:] * c[:-1]),
    "a step ahead": lambda a: then(a * 2, lambda c: np.add(c[1:], c[:-1], out=c[1:])),
    "a step back": lambda a: then(a * 2, lambda c: np.add(c[1:], c[:-1], out=c[:-1])),
    "its own reverse": lambda a: then(a * 2, put(..., lambda c: c[::-1])),
    "reversed on both sides": lambda a: then(a * 2, lambda c: np.multiply(c[::-1], 2, out=c[::-1])),
    "reversed result": lambda a: then(np.empty_like(a), lambda c: np.add(a, 1, out=c[::-1])),
    "halves": lambda a: then(a * 2, put(slice(None, a.shape[0] // 2), lambda c: c[-(a.shape[0] // 2) :])),
    "its first row everywhere": lambda a: then(a * 2, put(..., lambda c: c[0])),
    "times its first row": lambda a: then(a * 2, lambda c: np.multiply(c, c[0], out=c)),
    "times its first column": lambda a: then(a * 2, lambda c: np.multiply(c, c[:, :1], out=c)),
    "a chain with its columns": lambda a: of(a / 8, lambda c: np.exp(c * c[:, :1]) - c[:, -1:]),
    "its own sum in a row": lambda a: then(a * 2, lambda c: np.add.reduce(c, axis=0, out=c[0])),
    "another sum in a row": lambda a: then(a * 2, lambda c: np.add.reduce(a, axis=0, out=c[0])),
    "a broadcast row as result": lambda a: then(np.empty_like(a), lambda c: np.add(a[0], 1, out=c)),
    "through a new axis": lambda a: then(np.empty_like(a), put((slice(None), None), lambda _: a[:, None])),
    "views of views": lambda a: (a + 1)[1:][::2].T[1:][:, ::-1] * 3,
    "one entry": lambda a: then(a * 1, put((0, 0), lambda c: c[1, 1] * 2)),
    "an entry and a sum": lambda a: np.exp(a[0, 0]) * a + a.sum() / a.max(),
    "where it is positive": lambda a: then(a * 2, lambda c: np.copyto(c, c[::-1], where=c > 0)),
    "a select in its own place": lambda a: of(a * 2, lambda c: np.where(c > 0, c, -c) + 1),
    "both parts": lambda a: np.subtract(*np.modf(a * 3)) + np.divmod(a * 2, 0.75)[1],
    "swapped": swapped,
    "swapped by a view": swapped_by_a_view,
    "read before it changes": read_before_it_changes,
    "interleaved": interleaved,
    "into columns": into_columns,
    "transposed result": transposed_out,
    "transposed operand": lambda a: (a.T * 2).T + a,
    "centred rows": lambda a: of(np.exp(a), lambda c: c - c.mean(axis=1, keepdims=True)),
    "centred columns": lambda a: of(np.exp(a), lambda c: c - c.mean(axis=0)),
    "softmax": lambda a: of(np.exp(a - a.max(axis=1, keepdims=True)), lambda e: e / e.sum(axis=1, keepdims=True)),
    "sum of a broadcast": lambda a: np.broadcast_to(a[:, None], (a.shape[0], 3, a.shape[1])).sum(axis=1),
    "sum of every second": lambda a: np.exp(a)[::2, ::2].sum(axis=0),
    "sum of reversed rows": lambda a: np.exp(a)[::2, ::-2].sum(axis=1),
    "no rows": lambda a: a + a[:0].sum(axis=0) + (a[:0] * 2).T.sum(axis=1),
    "bools": lambda a: ((a > 0) & ~(a > 1) | (a < -1)) * a,
    "bools as result": lambda a: (a > 0) != (a.T > 0).T,
    "counts": lambda a: (a > 0).sum(axis=0) * a + np.arange(a.shape[1]) * (a > 1).astype(int),
    "float32 and float64": lambda a: (a.astype(np.float32) * np.float32(2)).astype(np.float64) + a,
    "float32 or float64": lambda a: np.where(a > 0, a.astype(np.float32), a.astype(np.float64)),
}
SHAPES = [(6, 5), (300, 70), (3, 9000), (9000, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_replay_gives_numpys_bits(name: str, dtype: type, used: str) -> None:
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        assert_numpys_bits(FUNCTIONS[name], [rng.normal(size=shape).astype(dtype)], used)


PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "backwards": lambda a, b: a[::-1] @ b[:, ::-1],
    "inner axis backwards": lambda a, b: a[:, ::-1] @ b[::-1],
    "a row again and again": lambda a, b: np.broadcast_to(a[0], a.shape) @ b,
    "in place": lambda a, b: of(np.tanh(a), lambda c: np.matmul(c, b, out=c)),
    "two in a chain": lambda a, b: np.tanh(np.tanh(a @ b) @ b.T) * a,
    "halves of a product": lambda a, b: of(np.tanh(a @ b), lambda c: (c[:, :32] * c[:, 32:]) @ b[:32]),
    "reversed in a chain": lambda a, b: np.tanh(a @ b)[::-1] @ b,
    "a gram matrix": lambda a, b: a.T @ a - b,
    "every second": lambda a, b: a[:, ::2] @ b[::2],
}


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_views(name: str, dtype: type, used: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in ((3000, 64), (64, 64))]
    assert_numpys_bits(PRODUCTS[name], arrays, used)


def random_program(rng: np.random.Generator) -> Callable[[Any, Any], Any]:
    """Some operations on two arrays and on what these gave, some in place, on views of all kinds."""
    steps = rng.integers(0, 10**6, size=(rng.integers(3, 14), 5)).tolist()

    def run(a: Any, b: Any) -> Any:
        arrays = [a * 1.0, b + 0.0, a - b]
        for operation, i, j, view, gone in steps:
            x, y = arrays[i % len(arrays)], arrays[j % len(arrays)]
            y = (y, y[::-1], y[:, ::-1], y[0], y[:, :1], np.roll(y, 1, axis=0))[view % 6]
            arrays.append(OPERATIONS[operation % len(OPERATIONS)](x, y))
            if len(arrays) > 5:
                arrays.pop(gone % 5)
        return np.ascontiguousarray(arrays[-1] + arrays[0], like=a)

    return run


def halved(x: Any, y: Any) -> Any:
    x *= 0.5
    return x - y


def overwritten(x: Any, y: Any) -> Any:
    x[...] = np.sin(y) + x
    return x[::-1] + 1


def shifted(x: Any, y: Any) -> Any:
    x[1:] += x[:-1] * 0.5
    return np.exp(-np.abs(x)) + y


OPERATIONS: tuple[Callable[[Any, Any], Any], ...] = (
    np.add,
    lambda x, y: np.tanh(x) * y,
    lambda x, y: np.where(x > y, x, y),
    lambda x, y: x - x.mean(axis=1, keepdims=True) + y,
    lambda x, y: x.T.copy().T + y,
    lambda x, y: x.sum(axis=0) + y * np.abs(x).max(axis=1, keepdims=True),
    halved,
    overwritten,
    shifted,
)


@pytest.mark.slow
@pytest.mark.parametrize("used", MACHINES)
def test_random_programs(used: str) -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        dtype = rng.choice([np.float64, np.float32])
        shape = SHAPES[seed % len(SHAPES)]
        assert_numpys_bits(random_program(rng), [rng.normal(size=shape).astype(dtype) for _ in range(2)], used)


EMPTY: dict[str, Callable[[Any], Any]] = {
    "entries": lambda a: np.exp(a) + 1,
    "sums": lambda a: a.sum(axis=0),
    "sums of nothing": lambda a: a.sum(axis=1),
    "product over no axis": lambda a: a.T @ a,
    "product without rows": lambda a: a @ np.ones((4, 3), a.dtype),
    "inner products": lambda a: np.vecdot(a, a),
    "inner products of nothing": lambda a: np.vecdot(a.T, a.T),
    "matrix and vector": lambda a: a.T @ np.ones(0, a.dtype),
    "joined": lambda a: np.concatenate([a, np.ones((2, 4), a.dtype)]),
    "reshaped": lambda a: a.reshape(4, 0).sum(axis=1),
    "maxima": lambda a: a.max(axis=1),
    "by index": lambda a: a[:, [0, 2]],
}


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("name", EMPTY)
def test_arrays_without_entries(name: str, used: str) -> None:
    assert_numpys_bits(EMPTY[name], [np.empty((0, 4))], used)


NO_AXES: dict[str, Callable[[Any], Any]] = {
    "numbers": lambda a: np.exp(a) * 2 - a,
    "sum": lambda a: a.sum() + a.max(),
    "views": lambda a: a.T[...].reshape(1, 1)[0] + a[None],
    "broadcast": lambda a: a + np.arange(3.0),
    "in place": lambda a: then(a.copy(), lambda c: np.multiply(c, 3, out=c), put((), lambda c: c + 1)),
    "product": lambda a: np.dot(a, a),
}


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("name", NO_AXES)
def test_arrays_without_axes(name: str, used: str) -> None:
    assert_numpys_bits(NO_AXES[name], [np.array(0.3)], used)


@pytest.mark.parametrize("used", MACHINES)
def test_axes_of_one_entry(used: str) -> None:
    a = np.random.default_rng(0).normal(size=(1, 400, 100))
    for axis in (0, 1, 2, (0, 2), (1, 2)):
        assert_numpys_bits(lambda a, axis=axis: np.exp(a).sum(axis=axis) * 2, [a], used)
        assert_numpys_bits(lambda a, axis=axis: np.exp(a.T).sum(axis=axis) * 2, [a], used)
    assert_numpys_bits(lambda a: np.cumsum(np.exp(a), axis=1), [a], used)


@pytest.mark.parametrize("used", MACHINES)
def test_bools_and_integers(used: str) -> None:
    rng = np.random.default_rng(0)
    k, mask = rng.integers(-9, 9, size=(300, 70)), rng.random((300, 70)) < 0.5
    assert_numpys_bits(lambda k: (k * k + k[::-1]).sum(axis=0), [k], used)
    assert_numpys_bits(lambda k: np.where(k > 0, k, -2 * k) / 7, [k], used)
    assert_numpys_bits(lambda mask: mask[::-1] | ~mask, [mask], used)
    assert_numpys_bits(lambda k, mask: (k * mask).sum(axis=1) + mask.mean(axis=1), [k, mask], used)


def run(tapes: Tapes, function: Callable[[Any], Any], a: Any) -> Any:
    def write(a: Any, out: Any) -> None:
        out[...] = function(a)

    out = np.empty_like(a)
    tapes.call("key", write, [a], [out])
    return out


@pytest.mark.parametrize("used", MACHINES)
def test_a_constant_that_changes_between_calls(used: str) -> None:
    kept, a = np.ones(3), np.arange(3.0)
    tapes = Tapes()
    with machine.using(used):
        for k in range(6):
            kept[...] = 2 + k
            np.testing.assert_array_equal(run(tapes, lambda a: a * kept, a), a * (2 + k))
    assert len(tapes) == 1


def test_a_constant_that_changes_after_it_was_used_is_not_replayed() -> None:
    def changing(a: Any) -> Any:
        c = np.zeros(3)
        result = a + c
        c[...] = 1
        return result

    tapes, a = Tapes(), np.arange(3.0)
    for _ in range(4):
        np.testing.assert_array_equal(run(tapes, changing, a), a)
    assert len(tapes) == 0
    assert "to change an array of numpy's own after it was used" in str(tapes.reason("key"))
