"""The floor: only the matrix products that a gradient of affine layers needs, written into preallocated arrays.

A layer is given by the shape of its matrix, `(n_out, n_in)`. The factors hold ones: only their shapes matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

FEWEST_ROWS, MOST_ROWS = 512, 2048  # of a product in forward mode; more or fewer are slower

Shape = tuple[int, int]
Call = Callable[[], object]
Bind = Callable[[Any, Any, Any], Call]
"""Makes the call that writes `a b` into `out` from `(a, b, out)`."""


def by_numpy(a: Any, b: Any, out: Any) -> Call:
    """The product by `np.dot`."""
    return partial(np.dot, a, b, out)


def reverse(shapes: Sequence[Shape], samples: int, dtype: Any = np.float64, bind: Bind = by_numpy) -> Call:
    """Three products for each layer, two for the first: `z W^T`, `q^T z`, `q W`."""
    n = (shapes[0][1], *(n_out for n_out, _ in shapes))
    W = [np.ones(shape, dtype) for shape in shapes]
    z = [np.ones((samples, n_i), dtype) for n_i in n]
    two = [np.ones(samples * max(n), dtype) for _ in range(2)]  # only two of the q are needed at a time
    q = [two[i % 2][: samples * n_i].reshape(samples, n_i) for i, n_i in enumerate(n)]
    factors = [(z[i], W_i.T, z[i + 1]) for i, W_i in enumerate(W)]
    for i, W_i in reversed(list(enumerate(W))):
        factors.append((q[i + 1].T, z[i], np.empty_like(W_i)))
        if i > 0:
            factors.append((q[i + 1], W_i, q[i]))
    return partial(products, [bind(*each) for each in factors])


def last(shapes: Sequence[Shape], samples: int, dtype: Any = np.float64, bind: Bind = by_numpy) -> Call:
    """A product for each layer, `z W^T`, and `q^T z` for the last: the gradient by its parameters."""
    n = (shapes[0][1], *(n_out for n_out, _ in shapes))
    z = [np.ones((samples, n_i), dtype) for n_i in n]
    factors = [(z[i], np.ones(shape, dtype).T, z[i + 1]) for i, shape in enumerate(shapes)]
    factors.append((z[-1].T, z[-2], np.empty(shapes[-1], dtype)))
    return partial(products, [bind(*each) for each in factors])


def hessian_vector(shapes: Sequence[Shape], samples: int, dtype: Any = np.float64, bind: Bind = by_numpy) -> Call:
    """`z W^T`, `z V^T`, `dz W^T`; `dq^T z`, `q^T dz`; `dq W`, `q V`, `q W`: for the first layer, only those of `z`."""
    n = (shapes[0][1], *(n_out for n_out, _ in shapes))
    z = [np.ones((samples, n_i), dtype) for n_i in n]
    factors = []
    for i, shape in enumerate(shapes):
        W, p = np.ones(shape, dtype), np.ones(shape, dtype)
        factors += [(z[i], W.T, z[i + 1])] * (2 if i == 0 else 3)
        factors += [(z[i + 1].T, z[i], p)] * (1 if i == 0 else 2)
        factors += [(z[i + 1], W, z[i])] * (0 if i == 0 else 3)
    return partial(products, [bind(*each) for each in factors])


def forward(shapes: Sequence[Shape], samples: int, dtype: Any = np.float64, bind: Bind = by_numpy) -> Call:
    """`J W^T` for each layer but the first, in chunks; `J` has a row for each sample and each earlier parameter."""
    calls = []
    parameters = 0
    for n_out, n_in in shapes:
        step = min(max(8 * n_in, FEWEST_ROWS), MOST_ROWS)
        W, J, out = np.ones((n_out, n_in), dtype), np.ones((step, n_in), dtype), np.ones((step, n_out), dtype)
        whole, rest = divmod(samples * parameters, step)
        calls += [(whole, bind(J, W.T, out)), (1 if rest else 0, bind(J[:rest], W.T, out[:rest]))]
        parameters += n_out * (n_in + 1)
    return partial(repeated, calls)


def products(calls: Sequence[Call]) -> None:
    """Each product once."""
    for call in calls:
        call()


def repeated(calls: Sequence[tuple[int, Call]]) -> None:
    """Each product a number of times."""
    for times, call in calls:
        for _ in range(times):
            call()
