"""Convolution and pooling: hand values, and no more memory and arithmetic than they need."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

import prograd
from prograd import Parameters
from prograd.operators import Kronecker
from tests.helpers.networks import at, rng


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_conv2d_is_a_cross_correlation(kernel, stride, padding) -> None:
    layer = prograd.layer("conv2d", image=[2, 5, 4], channels=3, kernel=kernel, stride=stride, padding=padding)
    w, z, z_next, _, _ = at(layer, 40)
    padded = np.pad(z.reshape(3, 2, 5, 4), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for n in range(3):
        for c in range(3):
            planes = [scipy.signal.correlate2d(padded[n, k], w.W[c, k], mode="valid") for k in range(2)]
            expected = sum(planes)[::stride, ::stride] + w.b[c]
            size = expected.size
            assert np.allclose(z_next[n, c * size : (c + 1) * size], expected.ravel())


@pytest.mark.parametrize(("image", "window"), [((2, 4, 6), 2), ((1, 5, 7), 3), ((2, 3, 3), 1)])
@pytest.mark.parametrize(("name", "reduce"), [("max_pool2d", np.max), ("avg_pool2d", np.mean)])
def test_pooling_reduces_each_window(name, reduce, image, window) -> None:
    C, H, W = image
    _, z, z_next, _, _ = at(prograd.layer(name, image=image, window=window), C * H * W)
    expected = [
        reduce(z_n[c, i * window : (i + 1) * window, j * window : (j + 1) * window])
        for z_n in z.reshape(3, C, H, W)
        for c in range(C)
        for i in range(H // window)
        for j in range(W // window)
    ]
    assert np.allclose(z_next.ravel(), expected)


def test_max_pool2d_takes_the_first_of_equals() -> None:
    layer = prograd.layer("max_pool2d", image=(1, 2, 2), window=2)
    z = np.ones((1, 4))
    _, B = layer.jacobian(Parameters(), z, np.ones((1, 1)))
    assert np.array_equal(B.dense()[0], [[1, 0, 0, 0]])


def test_convolution_counts_what_its_arithmetic_needs() -> None:
    layer = prograd.layer("conv2d", image=(3, 12, 10), channels=5, kernel=3, padding=1)
    _, _, _, A, B = at(layer, 360)
    inside = sum(
        0 <= i + a < 12 and 0 <= j + b < 10
        for i in range(12)
        for j in range(10)
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
    )
    arithmetic = 5 * 3 * inside
    executed = 5 * 120 * 27  # the product of patches and W, zeros around the image included
    assert B.edges == arithmetic == np.count_nonzero(B.dense())
    assert executed <= 2 * arithmetic
    assert A["W"].edges == executed
    assert type(A["W"]) is type(A["b"]) is Kronecker
    assert A["b"].samples == 1


def test_convolution_holds_no_more_memory_than_its_arithmetic_needs(peak) -> None:
    layer = prograd.layer("conv2d", image=(4, 32, 32), channels=8, kernel=3, padding=1)
    w, z, z_next, _, _ = at(layer, 4096, samples=8)
    q = rng().normal(size=z_next.shape)
    patches = 8 * 1024 * 4 * 9 * 8
    needed = patches + z.nbytes + z_next.nbytes
    assert peak(lambda: layer.g(w, z)) < 2 * needed
    blocks = layer.jacobian(w, z, z_next)
    assert peak(lambda: layer.jacobian(w, z, z_next)) < 2 * needed
    assert peak(lambda: blocks[1].vjp(q)) < 2 * needed
    assert peak(lambda: blocks[0]["W"].vjp_sum(q)) < 2 * needed


def test_many_images_go_through_a_convolution_in_slabs(peak) -> None:
    layer = prograd.layer("conv2d", image=(1, 16, 16), channels=1, kernel=5, padding=2)
    _, _, _, _, B = at(layer, 256)
    v = rng().normal(size=(2000, 256))
    patches = 2000 * 256 * 25 * 8
    assert peak(lambda: B.jvp(v)) < patches / 2
    assert np.allclose(B.jvp(v)[1234], B.jvp(v[1234:1235])[0])


def test_average_pooling_takes_one_multiply_add_a_pixel() -> None:
    _, _, _, _, B = at(prograd.layer("avg_pool2d", image=(2, 4, 4), window=2), 32)
    assert B.edges == 32 == np.count_nonzero(B.dense())


def test_images_from_configurations_are_hashable() -> None:
    layer = prograd.layer("conv2d", image=[1, 2, 2], channels=1, kernel=1)
    assert layer == prograd.layer("conv2d", image=(1, 2, 2), channels=1, kernel=1)
    assert hash(layer)
