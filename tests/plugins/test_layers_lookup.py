"""Lookups: the columns that one-hot inputs name, and no others, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd.operators import Dense, SparseKronecker
from prograd.testing import check_layer
from tests.helpers.networks import at, rng


def test_a_one_hot_input_looks_up_a_column() -> None:
    layer = prograd.layer("lookup", width=3)
    E = rng().normal(size=(3, 6))
    z = prograd.one_hot([4, 0, 4, 2], 6)
    assert np.array_equal(layer.g({"E": E}, z), E[:, [4, 0, 4, 2]].T)


def test_the_kit_passes_at_one_hot_inputs() -> None:
    check_layer(prograd.layer("lookup", width=3), 6, z=prograd.one_hot([4, 0, 4, 2], 6))


def test_any_other_input_is_multiplied() -> None:
    w, z, z_next, A, B = at(prograd.layer("lookup", width=3), 6)
    assert np.allclose(z_next, z @ w.E.T, rtol=1e-14, atol=1e-15)
    assert type(A["E"]) is SparseKronecker
    assert type(B) is Dense
    assert A["E"].edges == B.edges == 3 * 6
    assert A["E"].column_edges == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_are_those_of_affine_and_exactly_zero_elsewhere(dtype) -> None:
    labels = rng().integers(0, 5, 40)  # columns 5 to 8 are never looked up
    x, y = prograd.one_hot(labels, 9).astype(dtype), rng().normal(size=(40, 2)).astype(dtype)
    objectives = [
        prograd.Objective(
            prograd.Network.from_config([first, "tanh", {"name": "affine", "width": 2}], 9),
            prograd.loss("squared_error"),
            x,
            y,
        )
        for first in ({"name": "lookup", "width": 4}, {"name": "affine", "width": 4, "bias": False})
    ]
    w = objectives[0].net.init(0).astype(dtype)
    of_table, of_affine = objectives
    expected = of_affine.gradient(w)
    for mode in (*prograd.MODES, "reverse", "reverse"):  # the last ones from the tape
        gradient = of_table.gradient(w, mode=mode)
        assert np.allclose(gradient, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)
        table = of_table.net.unpack(gradient)[0].E
        assert not table[:, 5:].any()
        assert table[:, :5].all()
    assert {"nonzeros", "nonzeros_sum"} <= {one.name for one in of_table.tape("reverse").instructions}


def test_columns_start_with_variance_one_however_many_there_are() -> None:
    E = prograd.layer("lookup", width=50).init(rng(), 400)["E"]
    assert E.shape == (50, 400)
    assert E.std() == pytest.approx(1, abs=0.02)
