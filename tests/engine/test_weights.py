"""Weights of samples: in the value and in every derivative, one by one and by class."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import prograd
from prograd import errors
from prograd.modes import MODES
from prograd.planning.recording import Task, cost
from tests.helpers.networks import classifier

MODE_NAMES = [*prograd.MODES, "auto"]


def line(c: list[float], x: list[float], y: list[float]) -> prograd.Objective:
    """`½ c (x w − y)²`: one weight, no bias."""
    net = prograd.Network([prograd.layer("affine", width=1, bias=False)], 1)
    return prograd.Objective(net, "squared_error", np.array([x]).T, np.array([y]).T, weights=np.array(c))


def weighted(c, loss: str = "softmax_cross_entropy"):
    f, w, x, y = classifier(loss=loss)
    return prograd.Objective(f.net, f.loss, x, y, weights=c), w, x, y


def every_way(f: prograd.Objective, w) -> list[np.ndarray]:
    """The value and all derivatives."""
    found = [np.array(f(w)), f.per_sample_gradients(w), f.gauss_newton(w) @ np.eye(len(w))]
    found += [f.per_sample_norms(w), f.clipped_gradient(w, 1.0), f.hessian_vector(w, w)]
    return found + [f.gradient(w, mode=mode) for mode in MODE_NAMES]


@pytest.mark.parametrize(
    "c",
    [[1.0, 2.5, 0.0, 3.0], [1e-300, 1e-290, 0.0, 1e-310], [1e300, 1e290, 1e299, 7e299], [1e-150, 1e150, 1.0, 0.0]],
    ids=["ordinary", "tiny", "large", "mixed"],
)
def test_a_line_by_fractions(c):
    """`f = (1/N) Σ ½ c (x w − y)²` and its derivatives, exact but for the last rounding."""
    x, y, w = [1.0, -2.0, 0.5, 3.0], [0.25, 1.0, 4.0, -1.0], np.array([0.75])
    rows = [tuple(map(Fraction, row)) for row in zip(c, x, y, strict=True)]
    w_0, N = Fraction(w[0]), len(rows)
    value = sum(c_n * (x_n * w_0 - y_n) ** 2 for c_n, x_n, y_n in rows) / (2 * N)
    slopes = [c_n * x_n * (x_n * w_0 - y_n) for c_n, x_n, y_n in rows]
    f = line(c, x, y)
    least = 5e-324 * N  # what an ordinary number loses below the smallest one
    for _ in range(3):  # interpreted, recorded, replayed
        np.testing.assert_allclose(f(w), float(value), rtol=1e-15, atol=least)
        for mode in MODE_NAMES:
            np.testing.assert_allclose(f.gradient(w, mode=mode), float(sum(slopes) / N), rtol=1e-15, atol=least)
        np.testing.assert_allclose(f.per_sample_gradients(w)[:, 0], list(map(float, slopes)), rtol=1e-15, atol=least)
    curvature = float(sum(c_n * x_n * x_n for c_n, x_n, _ in rows) / N)
    product = f.gauss_newton(w)
    for _ in range(3):
        np.testing.assert_allclose(product @ np.ones(1), curvature, rtol=1e-15, atol=least)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_of_one_change_no_bit(dtype):
    f, w, x, y = classifier()
    plain = prograd.Objective(f.net, f.loss, x.astype(dtype), y)
    ones = prograd.Objective(f.net, f.loss, x.astype(dtype), y, weights=np.ones(6))
    for _ in range(3):
        for found, expected in zip(every_way(ones, w.astype(dtype)), every_way(plain, w.astype(dtype)), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_whole_weights_repeat_samples():
    times = [2, 0, 1, 3, 1, 0]
    f, w, x, y = weighted(times)
    repeated = prograd.Objective(f.net, f.loss, np.repeat(x, times, axis=0), np.repeat(y, times, axis=0))
    share = repeated.samples / f.samples
    assert f(w) == pytest.approx(share * repeated(w), rel=1e-14)
    for mode in MODE_NAMES:
        np.testing.assert_allclose(f.gradient(w, mode=mode), share * repeated.gradient(w), rtol=1e-12, atol=1e-16)
    found, expected = (each.gauss_newton(w) @ np.eye(len(w)) for each in (f, repeated))
    np.testing.assert_allclose(found, share * expected, rtol=1e-12, atol=1e-16)


def test_the_gradient_is_the_mean_of_those_of_the_samples():
    f, w, x, y = weighted([0.5, 2, 0, 1, 3, 1e-3])
    plain = prograd.Objective(f.net, f.loss, x, y)
    each = f.per_sample_gradients(w)
    np.testing.assert_allclose(each.mean(axis=0), f.gradient(w), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(
        each, np.c_[[0.5, 2, 0, 1, 3, 1e-3]] * plain.per_sample_gradients(w), rtol=1e-12, atol=1e-16
    )


@pytest.mark.parametrize("mode", ["forward", "factored"])
def test_samples_and_columns_in_parts(mode):
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config([{"name": "affine", "width": 12}, {"name": "tanh"}] * 2, 12)
    f = prograd.Objective(
        net, "squared_error", rng.normal(size=(400, 12)), rng.normal(size=(400, 12)), weights=rng.uniform(size=400)
    )
    w = net.init(rng)
    limit = prograd.plan(net, 400, modes=[mode]).cost.peak_bytes * 2 // 3
    for _ in range(3):
        found = f.gradient(w, mode=mode, max_bytes=limit)
        np.testing.assert_allclose(found, f.gradient(w), rtol=1e-11, atol=1e-15)


def test_reverse_mode_with_weights_keeps_to_a_limit(peak):
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config([{"name": "affine", "width": 1}, {"name": "tanh"}] * 8, 1)
    x = rng.normal(size=(20_000, 1))
    f = prograd.Objective(net, "squared_error", x, x, weights=rng.uniform(size=20_000))
    w = net.init(rng)
    limit = peak(lambda: f.gradient(w)) // 2
    assert peak(lambda: f.gradient(w, max_bytes=limit)) <= limit
    np.testing.assert_allclose(f.gradient(w, max_bytes=limit), f.gradient(w), rtol=1e-12)


def test_each_call_reads_weights_anew():
    c = np.ones(6)
    f, w, x, y = weighted(c)
    for k in range(4):
        c[:] = np.arange(6) + k
        expected = prograd.Objective(f.net, f.loss, x, y, weights=c.copy())
        assert f(w) == expected(w)
        np.testing.assert_array_equal(f.gradient(w), expected.gradient(w))


def test_classes_have_weights():
    by_class = {0: 0.5, 2: 4.0, 1: 2.0}
    f, w, x, y = weighted(by_class)
    expected = prograd.Objective(f.net, f.loss, x, y, weights=y @ np.array([0.5, 2.0, 4.0]))
    for found, right in zip(every_way(f, w), every_way(expected, w), strict=True):
        np.testing.assert_array_equal(found, right)


def test_one_output_is_the_probability_of_class_1():
    net = prograd.Network.from_config([{"name": "affine", "width": 1}], 2)
    x, y = np.random.default_rng(0).normal(size=(3, 2)), np.array([[1.0], [0.0], [0.25]])
    f = prograd.Objective(net, "logistic", x, y, weights={0: 3.0, 1: 5.0})
    expected = prograd.Objective(net, "logistic", x, y, weights=[5.0, 3.0, 3.5])
    w = net.init(0)
    np.testing.assert_array_equal(f.gradient(w), expected.gradient(w))


def test_one_sample():
    f, w, x, y = classifier(samples=1)
    one = prograd.Objective(f.net, f.loss, x[0], y[0], weights=0.5)
    assert one(w) == 0.5 * f(w)
    np.testing.assert_array_equal(one.per_sample_gradients(w), f.per_sample_gradients(w)[0] / 2)


def test_the_mean_of_losses_whose_sum_overflows():
    f = line([4.0, 1.0, 1.0, 2.0], [1.0] * 4, [0.0] * 4)
    with np.errstate(over="ignore"):
        assert f(np.array([9e153])) == pytest.approx(8.1e307, rel=1e-15)


@pytest.mark.parametrize(
    ("c", "error", "message"),
    [
        (np.ones(5), errors.ShapeError, r"weights: expected shape \(6,\), one for each sample, got \(5,\)"),
        (np.ones(3), errors.ShapeError, r"got \(3,\); a mapping \{class: weight\} weighs classes"),
        (np.ones((6, 1)), errors.ShapeError, r"got \(6, 1\)"),
        (1.0, errors.ShapeError, r"got \(\)"),
        (["a"] * 6, errors.ShapeError, "weights: expected real numbers"),
        ([1, 1, 1, 1, -2, 1], errors.OptionError, "weights: expected no negative ones, got -2 at 4"),
        ([1, 1, np.nan, 1, 1, 1], errors.NonFiniteError, r"weights in float64, .* got nan at \[2\]"),
        ({0: 1.0, 1: 1.0}, errors.OptionError, r"expected one for each class 0 … 2, got \[0, 1\]"),
        ({0: 1.0, "one": 1.0, 2: 1.0}, errors.OptionError, r"got \[0, 'one', 2\]"),
        ({0: 1.0, 1: 1.0, 2: -1.0}, errors.OptionError, "expected no negative ones, got -1 at 2"),
        (np.ma.masked_array(np.ones(6), [0] * 5 + [1]), errors.ShapeError, "weights: expected numbers without a mask"),
    ],
    ids=repr,
)
def test_what_is_no_weight(c, error, message):
    with pytest.raises(error, match=message):
        weighted(c)


def test_labels_that_are_no_classes():
    f, _, x, y = classifier(loss="squared_error")
    with pytest.raises(errors.LabelError, match="weights: expected y to be one-hot or probabilities"):
        prograd.Objective(f.net, f.loss, x, 2 * y, weights={0: 1, 1: 1, 2: 1})


def test_weights_beyond_float32():
    f, _, x, y = classifier()
    with pytest.raises(errors.NonFiniteError, match=r"weights in float32, which x has: .* got inf at \[0\]"):
        prograd.Objective(f.net, f.loss, x.astype(np.float32), y, weights=[1e39, 1, 1, 1, 1, 1])


def test_weights_are_still_being_read():
    f, w, x, y = classifier(samples=43)
    c = np.ones(43)
    with pytest.raises(errors.ShapeError, match="shares weights's"):
        prograd.Objective(f.net, f.loss, x, y, weights=c).gradient(w, out=c)


def test_zero_times_an_infinite_loss_is_refused():
    net = prograd.Network.from_config([{"name": "scale_shift"}], 2)
    w = net.pack([{"scale": [1.0, 1.0], "shift": [0.0, 0.0]}])
    f = prograd.Objective(net, "cross_entropy", [[0.5, 0.5], [0, 1]], [[1, 0], [1, 0]], weights=[1, 0])
    for _ in range(3):
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(errors.NonFiniteError, match=r"at which it is finite, since the weight is 0, got .* 1"),
        ):
            f(w)


@pytest.mark.parametrize("mode", MODES)
def test_weights_take_no_multiply_adds_of_blocks_but_memory(mode):
    net = prograd.Network.from_config([{"name": "affine", "width": 1}], 3)
    task = Task(net, 1000, "parameters", "gradient", np.dtype(np.float64))
    with_weights = Task(net, 1000, "parameters", "gradient", np.dtype(np.float64), None, weighted=True)
    plain, more = (cost(each, MODES[mode], None) for each in (task, with_weights))
    assert more.multiply_adds == plain.multiply_adds
    assert more.moved_bytes > plain.moved_bytes


def test_the_tape_reads_weights():
    f, _, _, _ = weighted(np.ones(6))
    assert " c[6" in prograd.tape.explain(f)
