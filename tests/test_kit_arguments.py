"""What the kit is given: points, a matrix, a number of samples; and that few points hide nothing."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import Layer
from prograd.errors import ShapeError
from prograd.operators import Dense, Diagonal
from prograd.testing import check_layer, check_operator, counted
from prograd.testing.kit import layer_case
from prograd.testing.layers import LAYER_CHECKS

Z = np.array([[0.3, 0.4], [-0.7, 1.1]])


class Stale(Layer):
    """Squares; its Jacobian is that of what `g` was called with last."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        self.slope = 2 * z
        return z * z

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(self.slope)


class Summed(Layer):
    """Adds the sum over the samples, which no layer may know."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z + z.sum(axis=0)

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(np.full_like(z, 2))


def failed(layer, z):
    return {outcome.name for outcome in LAYER_CHECKS.report(layer_case(layer, 2, z=z)).failures}


def test_a_jacobian_of_the_last_call_is_caught_at_given_points():
    assert "repeatable" in failed(Stale(), Z)


def test_an_influence_of_other_samples_is_caught_at_a_single_given_point():
    assert "samples" in failed(Summed(), Z[:1])


@pytest.mark.parametrize("z", [np.ones((3, 5)), np.ones((2, 2, 4)), np.ones(3)])
def test_points_of_another_size_are_the_callers_mistake(z):
    with pytest.raises(ShapeError, match=r"z: expected shape \(N, 4\) for tanh of 4 inputs, got"):
        check_layer(prograd.layer("tanh"), 4, z=z)


@pytest.mark.parametrize("shape", [(3, 2), (5, 2, 3), (6,)])
def test_a_matrix_of_another_shape_is_the_callers_mistake(shape):
    with pytest.raises(ShapeError, match=r"matrix: expected shape \(2, 3\) or \(4, 2, 3\) for .*, got"):
        check_operator(Dense(np.ones((2, 3))), matrix=np.ones(shape))


def test_no_samples_are_the_callers_mistake():
    with pytest.raises(ShapeError, match="samples: expected a positive number, got 0"):
        check_operator(Dense(np.ones((2, 3))), samples=0)


class ByKeyword(Layer):
    """A tanh, called with names."""

    inner = prograd.layer("tanh")

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return self.inner.g(w, z=z)

    def jacobian(self, w, z, z_next):
        return self.inner.jacobian(w=w, z=z, z_next=z_next)


def test_layers_that_are_called_by_keyword_can_be_counted():
    net = prograd.Network([ByKeyword(), prograd.layer("affine", width=3)], n_in=2)
    with counted() as count:
        prograd.jacobian(net, net.init(0), Z, mode="reverse")
    assert count.multiply_adds > 0
