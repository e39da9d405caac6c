"""Losses that are unusual but correct pass every check."""

from __future__ import annotations

import numpy as np
import pytest

from prograd import Loss
from prograd.errors import LabelError
from prograd.operators import Dense, Diagonal
from prograd.testing import check_loss
from tests.helpers.gallery import failures_of


class Quantile(Loss):
    """Has no hessian, accepts every label, and has a kink."""

    def value(self, z, y):
        return np.maximum(0.9 * (y - z), 0.1 * (z - y)).sum(axis=1)

    def gradient(self, z, y):
        return np.where(z > y, z.dtype.type(0.1), z.dtype.type(-0.9))


class Poisson(Loss):
    """Grows like an exponential, and takes any count as a label."""

    def value(self, z, y):
        return (np.exp(z) - y * z).sum(axis=1)

    def gradient(self, z, y):
        return np.exp(z) - y

    def hessian(self, z, y):
        return Diagonal(np.exp(z))

    def check(self, z, y):
        if not (y >= 0).all():
            raise LabelError("a count can't be negative")


class Coupled(Loss):
    """A hessian that is one dense matrix for all samples."""

    H = np.array([[2.0, -0.5], [-0.5, 1.0]])

    def value(self, z, y):
        return 0.5 * np.einsum("ni,ij,nj->n", z - y, self.H.astype(z.dtype), z - y)

    def gradient(self, z, y):
        return (z - y) @ self.H.astype(z.dtype)

    def hessian(self, z, y):
        return Dense(self.H.astype(z.dtype))


@pytest.mark.parametrize("loss", [Quantile(), Poisson(), Coupled()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("samples", [1, 3])
def test_odd_loss_is_accepted(loss, samples) -> None:
    z = np.array([[0.3, -0.4], [1.2, 0.1], [-0.5, 0.8]])[:samples]
    y = np.array([[1.0, 0.0], [3.0, 2.0], [0.0, 1.0]])[:samples]
    assert check_loss(loss, z, y).failures == ()


def test_a_saddle_is_expected_to_fail_by_name() -> None:
    """A loss that is not convex is correct but unfit for Gauss-Newton; its author expects that check to fail."""

    class Welsch(Loss):
        def value(self, z, y):
            return (1 - np.exp(-((z - y) ** 2))).sum(axis=1)

        def gradient(self, z, y):
            return 2 * (z - y) * np.exp(-((z - y) ** 2))

        def hessian(self, z, y):
            return Diagonal((2 - 4 * (z - y) ** 2) * np.exp(-((z - y) ** 2)))

    failures = failures_of(check_loss, Welsch(), np.array([[0.1, 2.0]]), np.zeros((1, 2)))
    assert [failure.name for failure in failures] == ["positive_semidefinite"]
