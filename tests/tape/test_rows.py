"""The machine's loops along three axes: arithmetic and copies that broadcast, into rows with gaps between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.recorded import MACHINES, assert_numpys_bits

SHAPES = [(3, 5, 7), (2, 3, 5, 9), (300, 4, 33), (40, 16, 16), (2, 150, 70), (3, 2, 40, 65)]
GAP = 8  # numbers between the rows of a result


def sources(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that broadcast to this one: all axes, or without the last, the one before, both, or the first."""
    before, row, last = shape[:-2], shape[-2:-1], shape[-1:]
    return [shape, (*before, *row, 1), (*before, 1, *last), (*before, 1, 1), (1, *shape[1:])]


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply], ids=lambda ufunc: ufunc.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arithmetic(shape: tuple[int, ...], ufunc: np.ufunc, dtype: str, used: str) -> None:
    def into_rows(a: Any, b: Any) -> Any:
        n = np.broadcast_shapes(a.shape, b.shape)
        out = np.zeros((*n[:-1], n[-1] + GAP), a.dtype, like=a)
        ufunc(a, b, out=out[..., : n[-1]])
        return out

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=source).astype(dtype) for source in sources(shape)]
    for one in arrays:
        for other in arrays:
            assert_numpys_bits(into_rows, (one, other), used)


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_copies(shape: tuple[int, ...], dtype: str, used: str) -> None:
    def into_rows(a: Any) -> Any:
        out = np.zeros((*shape[:-1], shape[-1] + GAP), a.dtype, like=a)
        out[..., : shape[-1]] = a
        return out

    rng = np.random.default_rng(0)
    for source in (*sources(shape), (1,) * len(shape)):
        assert_numpys_bits(into_rows, (rng.normal(size=source).astype(dtype),), used)


@pytest.mark.parametrize("used", MACHINES)
def test_a_result_larger_than_the_caches(used: str) -> None:
    rng = np.random.default_rng(0)
    n, m = 520, 64

    def outer_products(q: Any, z: Any) -> Any:
        out = np.zeros((n, m * m + m), q.dtype, like=q)
        np.multiply(q[:, :, None], z[:, None, :], out=out[:, : m * m].reshape(n, m, m))
        out[:, m * m :] = q
        return out

    assert_numpys_bits(outer_products, [rng.normal(size=(n, m)) for _ in range(2)], used)
