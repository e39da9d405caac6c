"""Operators over the matrix product that they consist of, at a size where it takes nearly all of the time."""

from __future__ import annotations

import numpy as np

from prograd.operators import Dense, Kronecker
from prograd_benchmarks.timing import ratio

N = 256


class Products:
    """256 samples of 256 numbers: an operator that does its work twice takes twice as long."""

    timeout = 60

    def setup(self) -> None:
        rng = np.random.default_rng(0)
        self.z, self.q = rng.normal(size=(N, N)), rng.normal(size=(N, N))
        self.dense, self.kronecker = Dense(self.z), Kronecker(N, self.z)
        self.p, self.out = np.empty(N * N), np.empty((N, N))

    def track_vjp_sum_over_product(self) -> dict[str, object]:
        return ratio(lambda: self.kronecker.vjp_sum(self.q, self.p), lambda: np.matmul(self.q.T, self.z, out=self.out))

    track_vjp_sum_over_product.unit = "ratio"  # type: ignore[attr-defined]

    def track_vjp_over_product(self) -> dict[str, object]:
        return ratio(lambda: self.dense.vjp(self.q), lambda: np.matmul(self.q, self.z, out=self.out))

    track_vjp_over_product.unit = "ratio"  # type: ignore[attr-defined]

    def track_jvp_over_product(self) -> dict[str, object]:
        return ratio(lambda: self.dense.jvp(self.q), lambda: np.matmul(self.q, self.z.T, out=self.out))

    track_jvp_over_product.unit = "ratio"  # type: ignore[attr-defined]
