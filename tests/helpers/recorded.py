"""A function of arrays, recorded by itself and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from prograd.tape import machine
from prograd.tape.tape import record

MACHINES = [name for name in ("c", "numpy") if name != "c" or machine.available()]


def assert_numpys_bits(function: Callable[..., Any], arrays: Sequence[np.ndarray[Any, Any]], used: str) -> None:
    """A replay gives the bits of `function(*arrays)` also after it ran elsewhere; in blocks, to rounding at least."""

    def write(*given: Any) -> None:
        given[-1][...] = function(*given[:-1])

    with threadpool_limits(1), machine.using(used):  # BLAS cuts a product by the number of its threads
        expected = np.asarray(function(*(a.copy() for a in arrays)))
        tape = record(write, [(a.shape, a.dtype) for a in arrays], [(expected.shape, expected.dtype)])
        out = np.full(expected.shape, 7, expected.dtype)
        tape.replay([*(np.array(np.flip(a)) for a in arrays), out], whole=True)
        tape.replay([*arrays, out], whole=True)
        cut = np.full(expected.shape, 7, expected.dtype)
        tape.replay([*arrays, cut])
    np.testing.assert_array_equal(out, expected)
    assert out.tobytes() == expected.tobytes()  # signs of zeros too
    if any(one.core for one in tape.instructions):
        near = 100 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(cut, expected, rtol=near, atol=near * max(1, np.abs(expected).max(initial=0)))
    else:
        assert cut.tobytes() == expected.tobytes()
