"""Configurations: what is refused, with which words, and what a good one becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import prograd
from prograd_experiments import architectures, data, networks, run
from prograd_experiments.errors import ConfigError
from prograd_experiments.speed_gap.experiment import SpeedGap
from tests.helpers.configs import CONFIG

CONF = Path(networks.__file__).parent / "conf"

GOOD = CONFIG | {"data": {"name": "iris"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, "depth: expected an integer of at least 1, got 0"),
        ({"depth": "two"}, "depth: expected an integer of at least 1, got two"),
        ({"width": 2.5}, "width: expected an integer of at least 1, got 2.5"),
        ({"width": True}, "width: expected an integer of at least 1, got true"),
        ({"batch": -1}, "batch: expected an integer of at least 1, got -1"),
        ({"repeats": 2}, "repeats: expected an integer of at least 3, got 2"),
        ({"sample_seconds": 0}, "sample_seconds: expected a finite number greater than 0, got 0"),
        ({"dtype": "float16"}, "dtype: expected one of float64, float32, got float16; did you mean"),
        ({"modes": []}, "modes: expected a list of names from reverse, forward"),
        ({"modes": ["forward", "backward"]}, "factored, optimal, got backward"),
        ({"modes": ["forward", "forward"]}, "modes: expected each name at most once"),
        ({"activation": "tanhh"}, "activation: expected one of elu, gelu, "),
        ({"activation": "affine"}, "activation=affine: "),
        ({"activation": "layer_norm"}, "got layer_norm; it has parameters (gamma, beta)"),
        ({"activation": {"name": "leaky_relu", "slpe": 1}}, "activation=leaky_relu: "),
        ({"activation": 3}, "activation: expected a layer's name or {name: …, option: …}, got 3"),
        ({"network": {"name": "cnn"}}, "network.name: expected one of mlp, residual, conv, hourglass, custom, got cnn"),
        ({"network": {"name": "mlp", "final": "softmx"}}, "got softmx; did you mean softmax"),
        ({"data": {"name": "iriss"}}, "got iriss; did you mean iris?"),
        ({"data": {"name": "iris", "rows": 3}}, "data: expected the keys name, got rows"),
        ({"loss": {"name": "mse"}}, "loss: expected one of "),
        ({"loss": {"name": "huber", "delta": "x"}}, "loss=huber: "),
        ({"loss": {"name": "default", "delta": 1}}, "loss: expected the keys name, got delta"),
        ({"dpth": 3}, "got dpth; did you mean depth"),
    ],
)
def test_a_bad_value_is_refused_in_words_that_name_key_and_choices(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SpeedGap().check(GOOD | change)
    assert message in str(raised.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="depth: expected a value, got no such key"):
        SpeedGap().check({key: value for key, value in GOOD.items() if key != "depth"})


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

    settled = SpeedGap().check(config)
    assert settled["loss"] == {"name": loss}
    problem = networks.build(settled)
    assert problem.net.n[0] == n_in
    assert problem.net.n[-1] == n_out
    assert [layer.name for layer in problem.net.layers] == ["affine", "tanh", "affine", "tanh", "affine"]
    np.testing.assert_array_equal(problem.x, x)


def test_a_batch_is_drawn_without_repetition() -> None:
    x = networks.build(SpeedGap().check(GOOD | {"data": {"name": "diabetes"}, "batch": 442})).x
    assert len(np.unique(x, axis=0)) == 442


def test_float32_is_float32_throughout() -> None:
    problem = networks.build(SpeedGap().check(GOOD | {"dtype": "float32"}))
    assert problem.objective.gradient(problem.w).dtype == np.float32


def test_options_reach_the_layers_and_the_loss() -> None:
    config = GOOD | {
        "activation": {"name": "leaky_relu", "slope": 0.25},
        "network": {"name": "mlp", "final": "softmax"},
        "loss": {"name": "huber", "delta": 2.5},
    }
    problem = networks.build(SpeedGap().check(config))
    assert problem.net.layers[1] == prograd.layer("leaky_relu", slope=0.25)
    assert problem.net.layers[-1] == prograd.layer("softmax")
    assert problem.loss == prograd.loss("huber", delta=2.5)


def test_depth_one_is_one_affine_layer() -> None:
    problem = networks.build(SpeedGap().check(GOOD | {"depth": 1}))
    assert [layer.name for layer in problem.net.layers] == ["affine"]


def test_every_loss_is_a_choice_with_its_options() -> None:
    assert run.options(prograd.registry().losses["huber"]) == {"delta": 1.0}
    for name, cls in prograd.registry().losses.items():
        assert networks.check(GOOD | {"loss": {"name": name, **run.options(cls)}})["loss"]["name"] == name


def test_activations_are_the_layers_without_parameters_that_keep_the_size() -> None:
    assert {"relu", "tanh", "softmax"} <= set(architectures.activations())
    assert not {"affine", "layer_norm", "scale_shift"} & set(architectures.activations())


def test_the_configuration_files_name_what_the_code_knows() -> None:
    assert {path.stem for path in (CONF / "data").glob("*.yaml")} == set(data.DATA)
    assert {path.stem for path in (CONF / "network").glob("*.yaml")} == set(architectures.NETWORKS)
    for group in ("data", "network"):
        for path in (CONF / group).glob("*.yaml"):
            assert yaml.safe_load(path.read_text())["name"] == path.stem
    folders = {CONF, *(path.parent for path in CONF.rglob("*.yaml"))}
    assert all((folder / "__init__.py").exists() for folder in folders)
