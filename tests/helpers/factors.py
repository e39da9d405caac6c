"""The source of a plugin with two layers that have parameters: one with a size of its own, one that keeps the size."""

from __future__ import annotations

FACTORS = '''
from dataclasses import dataclass

import numpy as np

from prograd import Layer, hookimpl, options


@dataclass(frozen=True)
class LowRank(Layer):
    """g(U, V; z) = U V z, with U (units, rank) and V (rank, n)."""

    units: int
    rank: int = 1

    def __post_init__(self):
        options.integer(self, "units")
        options.integer(self, "rank")

    def shapes(self, n_in):
        if self.rank > min(n_in, self.units):
            raise ValueError(f"rank {self.rank} is too large")
        return self.units, {"U": (self.units, self.rank), "V": (self.rank, n_in)}

    def g(self, w, z):
        return (z @ w["V"].T) @ w["U"].T

    def jacobian(self, w, z, z_next):
        n, m = z.shape[1], self.units
        inner = z @ w["V"].T
        U = np.einsum("jk,sa->sjka", np.eye(m), inner).reshape(len(z), m, m * self.rank)
        V = np.einsum("ja,sk->sjak", w["U"], z).reshape(len(z), m, self.rank * n)
        return {"U": U, "V": V}, w["U"] @ w["V"]


class Circulant(Layer):
    """g(c; z)_j = sum_k c_(j-k) z_k."""

    def shapes(self, n_in):
        return n_in, {"c": (n_in,)}

    def g(self, w, z):
        return z @ w["c"][_shifts(z)].T

    def jacobian(self, w, z, z_next):
        return {"c": z[:, _shifts(z)]}, w["c"][_shifts(z)]


def _shifts(z):
    n = z.shape[1]
    return (np.arange(n)[:, None] - np.arange(n)) % n


@hookimpl
def prograd_layers():
    return {"low_rank": LowRank, "circulant": Circulant}
'''
