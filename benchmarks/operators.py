"""Operators one by one: the cost of a product, for samples of 64 numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from prograd import operators
from prograd_benchmarks import counts
from prograd_benchmarks.problems import BATCHES
from prograd_benchmarks.timing import seconds, statistics

N = 64
RANK = 4

Array = np.ndarray[Any, np.dtype[np.float64]]


def _drawn(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


# By name, so that a revision that lacks one of them still measures the others.
OPERATORS: dict[str, Callable[[int], Any]] = {
    "dense": lambda _: operators.Dense(_drawn(N, N)),
    "dense_stack": lambda samples: operators.Dense(_drawn(samples, N, N)),
    "diagonal": lambda samples: operators.Diagonal(_drawn(samples, N)),
    "identity": lambda _: operators.Identity(N),
    "kronecker": lambda samples: operators.Kronecker(N, _drawn(samples, N)),
    "low_rank": lambda samples: operators.DiagonalPlusLowRank(
        _drawn(samples, N), _drawn(samples, N, RANK), _drawn(samples, N, RANK)
    ),
    "product": lambda samples: operators.Diagonal(_drawn(samples, N)) @ operators.Dense(_drawn(N, N)),
    "sparse": lambda _: operators.Sparse(scipy.sparse.diags_array([_drawn(N), _drawn(N - 1)], offsets=[0, 1])),
    "sum": lambda samples: operators.Dense(_drawn(N, N)) + operators.Diagonal(_drawn(samples, N)),
}

COLUMNS = 64


class Operators:
    """A product with one vector per sample, a product summed over the samples, or 64 columns written out."""

    params = (tuple(OPERATORS), ("jvp", "vjp", "vjp_sum", "columns"), BATCHES)
    param_names = ("operator", "method", "batch")
    timeout = 60

    def setup(self, operator: str, method: str, batch: int) -> None:
        J = OPERATORS[operator](batch)
        v, q = _drawn(batch, J.cols), _drawn(batch, J.rows)
        p = np.empty(J.cols)
        columns = np.empty((min(COLUMNS, J.cols), batch, J.rows))
        self.call: Callable[[], object] = {
            "jvp": lambda: J.jvp(v),
            "vjp": lambda: J.vjp(q),
            "vjp_sum": lambda: J.vjp_sum(q, p),
            "columns": lambda: J.columns_into(0, len(columns), columns),
        }[method]

    def track_seconds(self, operator: str, method: str, batch: int) -> dict[str, object]:
        return statistics(seconds({"": self.call})[""])

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_python_calls(self, operator: str, method: str, batch: int) -> int:
        return counts.python_calls(self.call)

    track_python_calls.unit = "calls"  # type: ignore[attr-defined]

    def track_peak_bytes(self, operator: str, method: str, batch: int) -> int:
        return counts.peak_bytes(self.call)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]
