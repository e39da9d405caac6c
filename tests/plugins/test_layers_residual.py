"""Residual blocks: what is inside, its parameters' names, and no dense matrix for each sample."""

from __future__ import annotations

import numpy as np

import prograd
from prograd import Network
from tests.helpers.networks import at, rng

INNER = [{"name": "affine", "width": 5}, {"name": "tanh"}, {"name": "affine", "width": 3}]


def test_residual_adds_what_is_inside() -> None:
    layer = prograd.layer("residual", layers=INNER)
    w, z, z_next, _, _ = at(layer, 3)
    expected = z + np.tanh(z @ w["0.W"].T + w["0.b"]) @ w["2.W"].T + w["2.b"]
    assert np.allclose(z_next, expected)


def test_residual_names_its_parameters_by_place() -> None:
    layer = prograd.layer("residual", layers=[{"name": "residual", "layers": INNER}, {"name": "scale_shift"}])
    n_out, shapes = layer.shapes(3)
    assert n_out == 3
    assert list(shapes) == ["0.0.W", "0.0.b", "0.2.W", "0.2.b", "1.scale", "1.shift"]


def test_residual_never_forms_a_dense_matrix_for_each_sample(peak) -> None:
    layer = prograd.layer(
        "residual", layers=[{"name": "affine", "width": 300}, {"name": "tanh"}, {"name": "affine", "width": 200}]
    )
    w, z, z_next, A, B = at(layer, 200, samples=16)
    q = rng().normal(size=z_next.shape)
    one_dense_block = 16 * 200 * 200 * 8
    assert peak(lambda: layer.jacobian(w, z, z_next)) < one_dense_block / 4
    assert peak(lambda: B.vjp(q)) < one_dense_block / 4
    assert A["0.W"].edges < 200 * 300 * 200 / 50
    assert B.edges <= 2 * 200 * 300 + 300 + 200


def test_residual_starts_like_what_is_inside() -> None:
    inner = Network.from_config(INNER, n_in=3)
    inside = inner.unpack(inner.init(np.random.default_rng(5)))
    w = prograd.layer("residual", layers=INNER).init(np.random.default_rng(5), 3)
    assert np.array_equal(w["0.W"], inside[0].W)
    assert np.array_equal(w["2.W"], inside[2].W)


def test_residual_takes_layers_as_they_are() -> None:
    tanh = prograd.layer("tanh")
    assert prograd.layer("residual", layers=[tanh]).inner == (tanh,)
