"""First-party penalties, against 60-digit arithmetic where squares overflow and differences cancel."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd.errors import OptionError
from tests.helpers.exact import errors, exact, mp

FEW = 8  # units of rounding: one for each of a handful of operations
DTYPES = [np.float64, np.float32]


def l2(penalty, w):
    rate = mp.mpf(penalty.rate)
    return rate / 2 * sum(a * a for a in w), rate * w, np.array([rate] * len(w), dtype=object)


def l1(penalty, w):
    rate, eps = mp.mpf(penalty.rate), mp.mpf(penalty.eps)
    h = np.array([mp.sqrt(a * a + eps * eps) for a in w], dtype=object)
    return rate * sum(h - eps), rate * w / h, rate * eps * eps / h**3


RIGHT = {"l1": l1, "l2": l2}
POINTS = [
    ("l2", {"rate": 1.0}, [0.0, 1.0, -2.0, 0.1]),
    ("l2", {"rate": 0.0}, [1.0, 2.0]),
    ("l2", {"rate": 1e-4}, [2e19, -1.0, 1e-25]),
    ("l2", {"rate": 3.0}, [1e-12, 1e-15]),
    ("l1", {}, [0.0, 1.0, -2.0, 1e-3]),
    ("l1", {"rate": 2.0}, [1e-9, -1e-10, 0.0]),
    ("l1", {"eps": 1e-30}, [1e-12, 0.0, -1.0]),
    ("l1", {"eps": 1e-30, "rate": 1.0}, [1e-30, 1e-33]),
    ("l1", {"eps": 1e6}, [1.0, 1e-3]),
    ("l1", {"rate": 0.25}, [3e37, -2e36, 5.0]),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options", "w"), POINTS)
def test_digits(name, options, w, dtype):
    penalty, w = prograd.penalty(name, **options), np.array(w, dtype)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    numbers = {key: float(dtype(value)) for key, value in vars(penalty).items() if isinstance(value, float)}
    value, gradient, curvature = RIGHT[name](prograd.penalty(name, **numbers), exact(w))
    found, slope = penalty.value_and_gradient(w)
    assert (found.dtype, slope.dtype) == (dtype, dtype)
    assert errors([found], [value], eps, tiny).max() < FEW
    assert errors(slope, gradient, eps, tiny).max() < FEW
    assert np.array_equal(penalty.value(w), found)
    assert np.array_equal(penalty.gradient(w), slope)
    with np.errstate(over="ignore", under="ignore"):
        product = penalty.hessian_vector(w, np.ones_like(w))
    held = [abs(c) < float(np.finfo(dtype).max) for c in curvature]
    assert errors(product[held], curvature[held], eps, tiny).max() < FEW


@pytest.mark.parametrize("name", RIGHT)
def test_of_many_vectors_at_once(name):
    penalty, rng = prograd.penalty(name), np.random.default_rng(0)
    w, v = rng.normal(size=(2, 3)), rng.normal(size=(4, 5, 2, 3))
    found = penalty.hessian_vector(w, v)
    for k in np.ndindex(4, 5):
        np.testing.assert_array_equal(found[k], penalty.hessian_vector(w, v[k]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("l2", {"rate": -1}, "l2: rate: expected a finite number of at least 0, got -1"),
        ("l2", {"rate": "much"}, "got 'much'"),
        ("l1", {"rate": np.nan}, "l1: rate: expected a finite number of at least 0, got nan"),
        ("l1", {"eps": 0}, "l1: eps: expected a finite number greater than 0, got 0"),
        ("l1", {"epsilon": 1}, r"penalty 'l1': unknown option 'epsilon'; accepted options: rate: float = 0.0001, eps"),
    ],
)
def test_options(name, options, message):
    with pytest.raises(OptionError, match=message):
        prograd.penalty(name, **options)
