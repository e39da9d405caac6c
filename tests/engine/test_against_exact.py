"""Random networks, saturated and not, in every mode, against 60-digit arithmetic; `make test-deep` draws thousands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from tests.helpers.exact import ACTIVATIONS, LOSSES, derivatives, exact, mp

ROUNDING = 64  # roundings where the reference has one move: sums of a few numbers, functions of a few units
DRAWS = 8  # an entry may stand still by chance, but not in all
UNDERFLOW = 1e6  # a denormal number, times what it is multiplied by afterwards
KINDS = [*["affine", "activation"] * 2, "softmax", "scale_shift", "layer_norm", "residual"]
SCALE = [0.3, 1.0, 5.0, 30.0]


@st.composite
def objectives(draw, dtype):
    """An objective of up to four layers, its parameters and its data."""
    n_in = n = draw(st.integers(1, 4))
    configs = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(KINDS))
        if kind == "affine":
            n = draw(st.integers(1, 4))
            configs.append({"name": kind, "width": n, "bias": draw(st.booleans())})
        elif kind == "activation":
            configs.append({"name": draw(st.sampled_from(sorted(ACTIVATIONS)))})
        elif kind == "residual":
            inner = {"name": draw(st.sampled_from(sorted(ACTIVATIONS)))}
            configs.append({"name": kind, "layers": [inner, {"name": "affine", "width": n}]})
        else:
            configs.append({"name": kind})
    net = prograd.Network.from_config(configs, n_in)
    names = sorted(LOSSES) if n > 1 else sorted(set(LOSSES) - {"hinge"})
    loss = draw(st.sampled_from(names))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples = draw(st.integers(1, 3))
    w = (draw(st.sampled_from(SCALE)) * rng.normal(size=net.size)).astype(dtype)
    x = rng.normal(size=(samples, n_in)).astype(dtype)
    y = rng.dirichlet(np.ones(n), samples) if draw(st.booleans()) else np.eye(n)[rng.integers(0, n, samples)]
    y = np.eye(n)[rng.integers(0, n, samples)] if loss == "hinge" else y
    return prograd.Objective(net, prograd.loss(loss), x, y.astype(dtype)), w, x, y.astype(dtype)


def norms_of(gradients):
    return np.array([mp.sqrt((g * g).sum()) for g in gradients])


def with_norms(values, gradients, J, limit):
    """Also the norms of the gradients, and the mean of gradients that are clipped to the limit."""
    norms = norms_of(gradients)
    shares = [min(mp.mpf(1), limit / norm) if norm else mp.mpf(1) for norm in norms]
    return values, gradients, J, norms, (gradients * np.array(shares)[:, None]).mean(axis=0)


def allowed(objective, right, limit):
    """How far each result may be off: as far as it moves when all numbers on the way move by a unit of rounding."""
    w = objective[1]
    eps, tiny = float(np.finfo(w.dtype).eps), float(np.finfo(w.dtype).tiny)
    rng = np.random.default_rng(0)

    def moved(a):
        return a * (1 + exact(eps * rng.normal(size=a.shape)))

    others = [with_norms(*derivatives(*objective, moved), limit) for _ in range(DRAWS)]
    return [
        ROUNDING * (np.max([abs(other[k] - r) for other in others], axis=0) + eps * abs(r)) + UNDERFLOW * tiny
        for k, r in enumerate(right)
    ]


def check(objective):
    """Value, gradients in every mode, of each sample, their norms, and Jacobians are right up to rounding."""
    f, w, x, _ = objective
    exactly = derivatives(*objective)
    norms = norms_of(exactly[1])
    limit = float(sorted(norms)[len(norms) // 2])  # some are above it, some below
    right = values, gradients, J, norms, clipped = with_norms(*exactly, exact(limit))
    off = allowed(objective, right, exact(limit))

    def same(found, right, off):
        assert found.shape == right.shape
        wrong = abs(exact(found) - right) > off
        assert not wrong.any(), (f.net, f.loss, found[wrong], right[wrong], off[wrong])

    same(np.array([f(w)]), np.array([values.mean()]), np.array([off[0].mean()]))
    same(f.per_sample_gradients(w), gradients, off[1])
    same(f.per_sample_norms(w), norms, off[3])
    if limit:
        same(f.clipped_gradient(w, limit), clipped, off[4])
    for mode in prograd.MODES:
        same(f.gradient(w, mode), gradients.mean(axis=0), off[1].mean(axis=0))
        same(prograd.jacobian(f.net, w, x, mode=mode), J, off[2])


DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@DTYPES
@pytest.mark.slow
@settings(max_examples=50)
@given(data=st.data())
def test_random_networks(dtype, data):
    check(data.draw(objectives(dtype)))


@DTYPES
@pytest.mark.deep
@settings(max_examples=3000)
@given(data=st.data())
def test_many_random_networks(dtype, data):
    check(data.draw(objectives(dtype)))
