"""Branches: what each is given, their parameters' names and their structure, and errors that say where."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import prograd
from prograd import Network
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.operators import Dense, Diagonal, Identity, Kronecker, Product, Stacked
from tests.helpers.networks import at

TALL = [{"name": "affine", "width": 4}, "tanh"]


def test_concat_gives_every_branch_everything() -> None:
    layer = prograd.layer("concat", branches=[[], TALL, "softmax"])
    w, z, z_next, A, B = at(layer, 3)
    hidden = np.tanh(z @ w["1.0.W"].T + w["1.0.b"])
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.allclose(z_next, np.hstack([z, hidden, softmax]))
    slopes = 1 - hidden**2
    for n, found in enumerate(B.dense()):
        expected = [np.eye(3), slopes[n, :, None] * w["1.0.W"], np.diag(softmax[n]) - np.outer(softmax[n], softmax[n])]
        assert np.allclose(found, np.vstack(expected))
        expected_W = np.zeros((10, 12))
        expected_W[3:7] = slopes[n, :, None] * np.kron(np.eye(4), z[n])
        assert np.allclose(A["1.0.W"].dense()[n], expected_W)


def test_parallel_gives_every_branch_its_part() -> None:
    layer = prograd.layer("parallel", branches=[TALL, [], "sine"], inputs=[2, 1, 3])
    w, z, z_next, _, B = at(layer, 6)
    hidden = np.tanh(z[:, :2] @ w["0.0.W"].T + w["0.0.b"])
    assert np.allclose(z_next, np.hstack([hidden, z[:, 2:3], np.sin(z[:, 3:])]))
    for n, found in enumerate(B.dense()):
        blocks = (1 - hidden[n, :, None] ** 2) * w["0.0.W"], np.eye(1), np.diag(np.cos(z[n, 3:]))
        assert np.allclose(found, scipy.linalg.block_diag(*blocks))


def test_branches_of_images_have_their_channels_concatenated() -> None:
    convolutions = [
        {"name": "conv2d", "image": [2, 3, 4], "channels": 3, "kernel": 1},
        {"name": "conv2d", "image": [2, 3, 4], "channels": 5, "kernel": (1, 3), "padding": (0, 1)},
    ]
    w, z, z_next, _, _ = at(prograd.layer("concat", branches=convolutions), 24)
    images = z_next.reshape(3, 8, 3, 4)
    for k, (channels, config) in enumerate(zip((slice(3), slice(3, 8)), convolutions, strict=True)):
        alone = Network.from_config([config], n_in=24)
        own = alone.pack([{"W": w[f"{k}.0.W"], "b": w[f"{k}.0.b"]}])
        assert np.array_equal(images[:, channels].reshape(3, -1), alone(own, z))


def test_branches_name_their_parameters_by_place() -> None:
    inner = {"name": "residual", "layers": [{"name": "affine", "width": 3, "bias": False}]}
    layer = prograd.layer("concat", branches=[[], ["scale_shift", inner]])
    n_out, shapes = layer.shapes(3)
    assert n_out == 6
    assert list(shapes) == ["1.0.scale", "1.0.shift", "1.1.0.W"]
    w = layer.init(np.random.default_rng(0), 3)
    assert np.array_equal(w["1.0.scale"], np.ones(3))
    assert w["1.1.0.W"].shape == (3, 3)


def test_branches_keep_the_structure_of_what_is_inside() -> None:
    layer = prograd.layer("concat", branches=[[], TALL, {"name": "affine", "width": 2}])
    _, _, _, A, B = at(layer, 3)
    assert isinstance(B, Stacked)
    through = B.parts
    assert [type(part) for part in (through[0], *through[1].factors, through[2])] == [Identity, Diagonal, Dense, Dense]
    assert isinstance(A["2.0.W"], Product)
    assert type(A["2.0.W"].factors[-1]) is Kronecker
    assert B.edges == 4 * 3 + 4 + 2 * 3
    assert A["1.0.W"].edges == 4 * 3 + 4
    assert A["2.0.W"].edges == 2 * 3
    assert A["2.0.b"].edges == 0
    assert A["1.0.W"].column_multiply_adds() == B.column_multiply_adds() == 3 * 4  # the slopes of three samples


def test_parallel_branches_take_the_multiply_adds_of_the_blocks() -> None:
    wide, narrow = ({"name": "affine", "width": width, "bias": False} for width in (50, 3))
    _, _, _, _, B = at(prograd.layer("parallel", branches=[wide, narrow], inputs=[4, 20]), 24)
    assert B.edges == 50 * 4 + 3 * 20 == np.count_nonzero(B.dense())


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("concat", {"branches": []}, OptionError, "concat: branches: expected a list of lists of layers or configs"),
        ("concat", {"branches": "affine"}, OptionError, "branches: expected a list of lists .* got 'affine'"),
        ("concat", {"branches": [3]}, OptionError, r"branches\[0\]: expected a list of layers or configs, got 3"),
        ("concat", {"branches": ["tanh", [{"width": 3}]]}, OptionError, r"branches\[1\]: layers\[0\]: expected a con"),
        ("concat", {"branches": [["tanh", "tahn"]]}, UnknownNameError, r"branches\[0\]: layers\[1\]: .*mean 'tanh'"),
        (
            "parallel",
            {"branches": [[{"name": "affine", "width": 0}]], "inputs": [1]},
            OptionError,
            r"parallel: branches\[0\]: layers\[0\]: affine: width: expected an integer of at least 1, got 0",
        ),
        (
            "parallel",
            {"branches": ["tanh", "sine"], "inputs": [3]},
            OptionError,
            r"inputs: expected \[of branch 0, of branch 1\], integers of at least 1, got \[3\]",
        ),
    ],
)
def test_a_branch_that_cannot_be_used_is_named(name, options, error, message) -> None:
    with pytest.raises(error, match=message):
        prograd.layer(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("parallel", {"inputs": [2, 2]}, r"parallel: expected 4 inputs, the sum of \(2, 2\), got 5"),
        ("concat", {}, r"concat: its branches\[1\]\[1\] \(conv1d\) can't take 5 inputs: .* size 3"),
    ],
)
def test_inputs_that_a_branch_cannot_take_are_refused(name, options, message) -> None:
    conv = {"name": "conv1d", "signal": [1, 3], "channels": 1, "kernel": 1}
    with pytest.raises(ShapeError, match=message):
        prograd.layer(name, branches=["tanh", ["tanh", conv]], **options).shapes(5)


def test_options_inside_a_branch_that_a_dtype_cannot_hold_are_named() -> None:
    net = Network.from_config([{"name": "concat", "branches": [[], [{"name": "elu", "alpha": 1e-60}]]}], n_in=2)
    with pytest.raises(OptionError, match=r"layers\[0\] elu: alpha: expected a number that float32 can hold"):
        net(np.zeros(0, np.float32), np.ones(2, np.float32))


def test_equal_branches_are_equal_layers() -> None:
    one = prograd.layer("concat", branches=["tanh", [{"name": "affine", "width": 2}]])
    two = prograd.layer("concat", branches=[[prograd.layer("tanh")], {"name": "affine", "width": 2}])
    assert one == two
    assert hash(one) == hash(two)
