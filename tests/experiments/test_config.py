"""Configurations: what is refused, with which words, and what a good one becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import prograd
from prograd_experiments import choices, data, layers, networks
from prograd_experiments.errors import ConfigError
from prograd_experiments.speed_gap import SPEED_GAP
from tests.helpers.configs import CONFIG

CONF = Path(networks.__file__).parent / "conf"

GOOD = CONFIG | {"data": {"name": "iris"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, "depth=0: an integer of at least 1 was expected"),
        ({"depth": "two"}, "depth=two: an integer"),
        ({"width": 2.5}, "width=2.5: an integer"),
        ({"width": True}, "width=true: an integer"),
        ({"batch": -1}, "batch=-1: an integer"),
        ({"repeats": 2}, "repeats=2: an integer of at least 3"),
        ({"sample_seconds": 0}, "sample_seconds=0: a number greater than 0"),
        ({"dtype": "float16"}, "dtype=float16 is not known; did you mean"),
        ({"modes": []}, "modes=[]: a list of names was expected"),
        ({"modes": ["forward", "backward"]}, "modes=backward is not known"),
        ({"modes": ["forward", "forward"]}, "each name may stand there once"),
        ({"activation": "tanhh"}, "activation=tanhh is not known; did you mean tanh? Choices: elu, gelu"),
        ({"activation": "affine"}, "activation=affine: "),
        ({"activation": "layer_norm"}, "activation=layer_norm: this layer has parameters (gamma, beta). Choices: elu"),
        ({"activation": {"name": "leaky_relu", "slpe": 1}}, "activation=leaky_relu: "),
        ({"activation": 3}, "activation=3: a layer's name"),
        ({"network": {"name": "cnn"}}, "network.name=cnn is not known. Choices: mlp, residual, conv, hourglass"),
        ({"network": {"name": "mlp", "final": "softmx"}}, "network.final=softmx is not known; did you mean softmax"),
        ({"data": {"name": "iriss"}}, "data.name=iriss is not known; did you mean iris? Choices: digits, iris"),
        ({"data": {"name": "iris", "rows": 3}}, "unknown key 'data.rows'. Choices: name"),
        ({"loss": {"name": "mse"}}, "loss=mse is not known"),
        ({"loss": {"name": "huber", "delta": "x"}}, "loss=huber: "),
        ({"loss": {"name": "default", "delta": 1}}, "unknown key 'loss.delta'"),
        ({"dpth": 3}, "unknown key 'dpth'; did you mean depth"),
    ],
)
def test_a_bad_value_is_refused_in_words_that_name_key_and_choices(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SPEED_GAP.check(GOOD | change)
    assert message in str(raised.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="'depth' is missing"):
        SPEED_GAP.check({key: value for key, value in GOOD.items() if key != "depth"})


@pytest.mark.parametrize(
    ("name", "n_in", "n_out", "loss"),
    [
        ("digits", 64, 10, "softmax_cross_entropy"),
        ("iris", 4, 3, "softmax_cross_entropy"),
        ("wine", 13, 3, "softmax_cross_entropy"),
        ("breast_cancer", 30, 2, "softmax_cross_entropy"),
        ("diabetes", 10, 1, "squared_error"),
    ],
)
def test_data_is_standardised_and_has_the_loss_that_fits(name: str, n_in: int, n_out: int, loss: str) -> None:
    config = GOOD | {"data": {"name": name}, "batch": None, "depth": 3}
    x, y = data.load(config).x, data.load(config).y

    assert (x.shape[1], y.shape[1]) == (n_in, n_out)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    deviations = x.std(axis=0)
    np.testing.assert_allclose(deviations[deviations > 0], 1)

    settled = SPEED_GAP.check(config)
    assert settled["loss"] == {"name": loss}
    problem = networks.build(settled)
    assert problem.net.n[0] == n_in
    assert problem.net.n[-1] == n_out
    assert [layer.name for layer in problem.net.layers] == ["affine", "tanh", "affine", "tanh", "affine"]
    np.testing.assert_array_equal(problem.x, x)


def test_a_batch_is_drawn_without_repetition() -> None:
    x = networks.build(SPEED_GAP.check(GOOD | {"data": {"name": "diabetes"}, "batch": 442})).x
    assert len(np.unique(x, axis=0)) == 442


def test_float32_is_float32_throughout() -> None:
    problem = networks.build(SPEED_GAP.check(GOOD | {"dtype": "float32"}))
    assert problem.objective.gradient(problem.w).dtype == np.float32


def test_options_reach_the_layers_and_the_loss() -> None:
    config = GOOD | {
        "activation": {"name": "leaky_relu", "slope": 0.25},
        "network": {"name": "mlp", "final": "softmax"},
        "loss": {"name": "huber", "delta": 2.5},
    }
    problem = networks.build(SPEED_GAP.check(config))
    assert problem.net.layers[1] == prograd.layer("leaky_relu", slope=0.25)
    assert problem.net.layers[-1] == prograd.layer("softmax")
    assert problem.loss == prograd.loss("huber", delta=2.5)


def test_depth_one_is_one_affine_layer() -> None:
    problem = networks.build(SPEED_GAP.check(GOOD | {"depth": 1}))
    assert [layer.name for layer in problem.net.layers] == ["affine"]


def test_every_loss_is_a_choice_with_its_options() -> None:
    assert choices.options(prograd.registry().losses["huber"]) == {"delta": 1.0}
    for name, cls in prograd.registry().losses.items():
        assert networks.check(GOOD | {"loss": {"name": name, **choices.options(cls)}})["loss"]["name"] == name


def test_activations_are_the_layers_without_parameters_that_keep_the_size() -> None:
    assert {"relu", "tanh", "softmax"} <= set(layers.activations())
    assert not {"affine", "layer_norm", "scale_shift"} & set(layers.activations())


def test_the_configuration_files_name_what_the_code_knows() -> None:
    assert {path.stem for path in (CONF / "data").glob("*.yaml")} == set(data.DATA)
    assert {path.stem for path in (CONF / "network").glob("*.yaml")} == set(networks.NETWORKS)
    for group in ("data", "network"):
        for path in (CONF / group).glob("*.yaml"):
            assert yaml.safe_load(path.read_text())["name"] == path.stem
    folders = {CONF, *(path.parent for path in CONF.rglob("*.yaml"))}
    assert all((folder / "__init__.py").exists() for folder in folders)
