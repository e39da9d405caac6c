"""Convolution and pooling: values by loops and by scipy, and no more memory and arithmetic than they need."""

from __future__ import annotations

import itertools

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


def windows_of(n, kernel, stride, padding, dilation=1):
    """The places of each window along an axis of n numbers, those in the zeros around it included."""
    starts = range(-padding, n + padding - dilation * (kernel - 1), stride)
    return [range(start, start + dilation * kernel, dilation) for start in starts]


def by_loops(z, W, b, down, across):
    """The cross-correlation of one image, number by number; `down` and `across` are the windows along each axis."""
    C, height, width = z.shape
    inputs = W.shape[1]
    outputs = len(W) * inputs // C
    z_next = np.zeros((len(W), len(down), len(across)))
    for channel, row, column in np.ndindex(*z_next.shape):
        total = b[channel]
        for c, (i, y), (j, x) in itertools.product(range(inputs), enumerate(down[row]), enumerate(across[column])):
            if 0 <= y < height and 0 <= x < width:
                total += W[channel, c, i, j] * z[channel // outputs * inputs + c, y, x]
        z_next[channel, row, column] = total
    return z_next


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [((1, 3), 1, (0, 1), 1), ((3, 2), (2, 1), 1, (1, 2)), (2, (1, 3), (2, 0), (3, 1)), ((2, 2), (3, 3), (1, 1), 2)],
)
def test_conv2d_with_an_option_for_each_axis(kernel, stride, padding, dilation, groups) -> None:
    options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = prograd.layer("conv2d", image=[4, 5, 6], channels=8, **options)
    w, z, z_next, _, _ = at(layer, 120)
    (k, s, p, d) = (np.broadcast_to(option, 2).tolist() for option in (kernel, stride, padding, dilation))
    down, across = (windows_of(n, *each) for n, each in zip((5, 6), zip(k, s, p, d, strict=True), strict=True))
    assert w.W.shape == (8, 4 // groups, *k)
    for z_n, found in zip(z, z_next, strict=True):
        expected = by_loops(z_n.reshape(4, 5, 6), w.W, w.b, down, across)
        assert np.allclose(found, expected.ravel(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("padding", [0, 2])
def test_conv1d_is_a_cross_correlation(padding) -> None:
    layer = prograd.layer("conv1d", signal=[2, 9], channels=3, kernel=4, padding=padding, bias=False)
    w, z, z_next, _, _ = at(layer, 18)
    assert list(w) == ["W"]
    padded = np.pad(z.reshape(3, 2, 9), ((0, 0), (0, 0), (padding, padding)))
    expected = [
        sum(np.correlate(padded[n, k], w.W[c, k], mode="valid") for k in range(2)) for n in range(3) for c in range(3)
    ]
    assert np.allclose(z_next.ravel(), np.ravel(expected))


def test_conv1d_is_conv2d_of_an_image_of_one_row() -> None:
    each = {"stride": 2, "padding": 1, "dilation": 3}
    signal = prograd.layer("conv1d", signal=[4, 12], channels=6, kernel=3, groups=2, **each)
    both = {option: (int(option != "padding"), size) for option, size in each.items()}
    image = prograd.layer("conv2d", image=[4, 1, 12], channels=6, kernel=(1, 3), groups=2, **both)
    w, z, z_next, A, B = at(signal, 48)
    assert w.W.shape == (6, 2, 3)
    same = Parameters(W=w.W[:, :, None], b=w.b)
    A_image, B_image = image.jacobian(same, z, z_next)
    assert np.array_equal(image.g(same, z), z_next)
    assert np.array_equal(B_image.dense(), B.dense())
    for name, block in A.items():
        assert np.array_equal(A_image[name].dense(), block.dense())


def test_one_number_for_both_axes_is_the_same_as_two() -> None:
    one = prograd.layer("conv2d", image=[1, 4, 4], channels=1, kernel=3, stride=2, padding=1, dilation=1)
    two = prograd.layer("conv2d", image=[1, 4, 4], channels=1, kernel=[3, 3], stride=(2, 2), padding=[1, 1])
    assert one == two
    assert two.kernel == 3
    assert prograd.layer("conv2d", image=[1, 4, 4], channels=1, kernel=[1, 3]).kernel == (1, 3)


@pytest.mark.parametrize(
    ("window", "stride", "padding"), [(2, 1, 1), ((3, 2), (1, 3), (1, 0)), ((1, 4), None, (0, 2)), (3, (2, 4), 1)]
)
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pooling_with_windows_that_overlap_jut_out_or_leave_gaps(name, window, stride, padding) -> None:
    around, reduce = {"max_pool2d": (-np.inf, np.max), "avg_pool2d": (0.0, np.mean)}[name]
    _, z, z_next, _, B = at(prograd.layer(name, image=(2, 5, 7), window=window, stride=stride, padding=padding), 70)
    height, width = np.broadcast_to(window, 2).tolist()
    steps, (p, q) = np.broadcast_to(stride or window, 2).tolist(), np.broadcast_to(padding, 2).tolist()
    padded = np.pad(z.reshape(3, 2, 5, 7), ((0, 0), (0, 0), (p, p), (q, q)), constant_values=around)
    places = [
        (slice(i, i + height), slice(j, j + width))
        for i in range(0, 5 + 2 * p - height + 1, steps[0])
        for j in range(0, 7 + 2 * q - width + 1, steps[1])
    ]
    expected = [reduce(plane[place]) for sample in padded for plane in sample for place in places]
    assert np.allclose(z_next.ravel(), expected)
    inside = np.pad(np.ones((5, 7)), ((p, p), (q, q)))
    taps = 2 * int(sum(inside[place].sum() for place in places))
    assert B.edges == (taps if name == "avg_pool2d" else 2 * len(places)) == np.count_nonzero(B.dense()[0])


def test_means_that_leave_out_what_is_around_the_image() -> None:
    options = {"image": (1, 3, 3), "window": 2, "stride": 2, "padding": 1}
    z = np.arange(1.0, 10.0)[None]
    assert np.array_equal(prograd.layer("avg_pool2d", **options).g({}, z), np.array([[1, 5, 11, 28]]) / 4)
    inside = prograd.layer("avg_pool2d", **options, count_include_pad=False)
    assert np.array_equal(inside.g({}, z), [[1, 2.5, 5.5, 7]])


def test_max_pool2d_gives_a_pixel_what_all_its_windows_ask() -> None:
    layer = prograd.layer("max_pool2d", image=(1, 1, 3), window=(1, 2), stride=1)
    z = np.array([[1.0, 5.0, 2.0]])
    _, B = layer.jacobian(Parameters(), z, layer.g(Parameters(), z))
    assert np.array_equal(B.vjp(np.array([[10.0, 1.0]])), [[0, 11, 0]])


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


@pytest.mark.parametrize(("groups", "block"), [(1, "Kronecker"), (2, "PatchesOfGroups"), (6, "PatchesOfGroups")])
def test_groups_divide_the_arithmetic(groups, block) -> None:
    layer = prograd.layer(
        "conv2d", image=(6, 7, 8), channels=12, kernel=(3, 1), dilation=(2, 1), padding=2, groups=groups
    )
    _, _, _, A, B = at(layer, 336)
    rows = 7  # 11 numbers with the zeros, of which a kernel reaches over 5
    down = sum(0 <= start + 2 * k < 7 for start in range(-2, rows - 2) for k in range(3))
    assert B.edges == 12 * (6 // groups) * down * 8 == np.count_nonzero(B.dense())
    assert A["W"].edges == 12 * (rows * 12) * (6 // groups) * 3
    assert type(A["W"]).__name__ == block
    assert A["W"].column_edges == 0  # they are copied


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


@pytest.mark.parametrize(
    ("name", "options", "each"),
    [
        ("conv2d", {"channels": 6, "kernel": (3, 2), "padding": 1, "dilation": (1, 2), "groups": 2}, None),
        ("avg_pool2d", {"window": 3, "stride": 2, "padding": 1}, None),
        ("max_pool2d", {"window": 3, "stride": 2, "padding": 1}, 2 * 3 * 3),
    ],
)
def test_entries_are_where_windows_lie_whatever_the_numbers(name, options, each) -> None:
    layer = prograd.layer(name, image=(2, 5, 6), **options)
    _, shapes = layer.shapes(60)
    nothing = Parameters({key: np.zeros(shape) for key, shape in shapes.items()})
    z = np.zeros((3, 60))
    _, B = layer.jacobian(nothing, z, layer.g(nothing, z))
    assert B.csr(3).nnz == 3 * (each or B.edges)


def test_entries_of_a_large_convolution_take_no_dense_matrix(peak) -> None:
    layer = prograd.layer("conv2d", image=(2, 64, 64), channels=2, kernel=3)
    _, _, _, _, B = at(layer, 8192, samples=1)
    assert peak(lambda: B.csr(1)) < 8 * B.rows * B.cols / 50
