"""Norms of `J^T q` where no structure gives them: from `J^T q` itself, a part at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from prograd.arrays import Array, passes
from prograd.rows import norm

if TYPE_CHECKING:
    from prograd.operators.base import Operator

PULLED: Final = 2**17  # numbers of `J^T q` that are written out at once for norms: 1 MiB in float64


def in_parts(pull: Callable[[Array, slice], Array], q: Array, J: Operator, *, together: bool) -> Array:
    """`‖J^T q‖` for each vector, by `pull(q, samples)`, which is `J^T q` for some samples, a part at a time.

    A part has about a MiB, or one vector, or with `together` one vector of each sample.
    """
    *lead, samples, _ = q.shape
    samples = max(samples, J.samples)
    q = np.broadcast_to(q, (*lead, samples, J.rows)).reshape(math.prod(lead), samples, J.rows)
    found = np.empty(q.shape[:2], np.result_type(q, J.dtype), like=q)
    fit = max(1, PULLED // max(J.cols, 1))
    step = samples if together else min(fit, samples)
    vectors = max(1, fit // max(samples, 1))
    for k in passes(range(0, len(q), vectors), [], q):
        for n in passes(range(0, samples, max(step, 1)), [], q):
            at = slice(n, n + step)
            pulled = pull(q[k : k + vectors, at], at)
            found[k : k + vectors, at] = norm(pulled)[..., 0]
    return found.reshape(*lead, samples)
