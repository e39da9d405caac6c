"""Configurations of training: what is refused, with which words, and what a good one becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from prograd_experiments.errors import ConfigError
from prograd_experiments.training import experiment, lesson
from tests.helpers.configs import ADAM, GD, SGD, TRAIN_CONFIG, train_config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"modes": ["reverse"]},
            r"modes: expected .* experiment=train does not use this key, got \[\"reverse\"\]; set mode instead",
        ),
        ({"batch": 32}, r"batch: expected 1, .*, got 32; set optimizer\.batch instead"),
        (
            {"optimizer": {"name": "adan"}},
            r"optimizer\.name: expected one of gradient_descent, sgd, adam, lbfgs, got adan; did you mean adam",
        ),
        ({"optimizer": ADAM | {"beta2": 1}}, r"optimizer\.beta2: expected a number from 0 up to"),
        ({"optimizer": ADAM | {"epsilon": 0}}, r"optimizer\.epsilon: expected a finite number greater than 0, got 0"),
        ({"validation_fraction": 1}, r"validation_fraction: expected a number from 0 .*, got 1"),
        ({"optimizer": GD | {"momentum": 0.9}}, r"optimizer: expected the keys name, rate, got momentum"),
        (
            {"optimizer": SGD | {"momentum": 1}},
            r"optimizer\.momentum: expected a number from 0 up to, but not including, 1, got 1",
        ),
        ({"optimizer": SGD | {"batch": 0}}, r"optimizer\.batch: expected an integer of at least 1, got 0"),
        ({"mode": "backward"}, r"mode: expected one of reverse, forward, .*, got backward"),
        ({"test_fraction": 1}, r"test_fraction: expected a number from 0 .*, got 1"),
        ({"penalty": {"name": "l3"}}, r"penalty: expected one of l1, l2, got l3"),
        ({"penalty": {"name": "l2", "eps": 1}}, r"penalty=l2: penalty 'l2': unknown option 'eps'"),
        ({"penalty": {"name": "l2", "rate": -1}}, r"penalty=l2: l2: rate: expected a finite number of at least 0"),
        ({"penalty": {"name": "none", "rate": 1}}, r"penalty: expected the keys name, got rate"),
        ({"weights": "equal"}, r"weights: expected balanced, or a list of finite numbers of at least 0, .*, got equal"),
        ({"weights": [1, -1, 1]}, r"weights: expected balanced, .*, got \[1, -1, 1\]"),
        ({"weights": []}, r"weights: expected balanced, .*, got \[\]"),
        ({"penalty": {}}, r"penalty\.name: expected a value, got no such key"),
        ({"epochs": 0}, r"epochs: expected an integer of at least 1, got 0"),
        ({"epoch": 3}, r"got epoch; did you mean epochs"),
        ({"checkpoint_seconds": -1}, r"checkpoint_seconds: expected a finite number of at least 0, got -1"),
        (
            {"loss": {"name": "by_classes"}, "data": {"name": "diabetes"}},
            r"loss: expected .*, got by_classes; diabetes has no classes",
        ),
    ],
)
def test_what_can_not_be_trained_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment.Training().check(TRAIN_CONFIG | change)


def test_two_classes_are_one_output_to_the_logistic_loss() -> None:
    two, three = (
        {"data": {"name": name}, "loss": {"name": "by_classes"}, "depth": 1} for name in ("breast_cancer", "iris")
    )
    assert train_config(**two)["loss"] == {"name": "logistic"}
    assert lesson.prepare(train_config(**two)).net.n == (30, 1)
    assert train_config(**three)["loss"] == {"name": "softmax_cross_entropy"}
    assert lesson.prepare(train_config(**three)).net.n == (4, 3)


def test_no_penalty_is_the_configuration_from_before_there_were_any() -> None:
    assert train_config(penalty={"name": "none"}) == train_config()
    l2 = {"name": "l2", "rate": 1e-3}
    assert train_config(penalty=l2) == train_config() | {"penalty": l2}


def test_a_penalty_for_layers_that_there_are_not() -> None:
    config = train_config(penalty={"name": "l2", "layers": [7]})
    with pytest.raises(ConfigError, match=r"penalty=l2: penalty l2: layers: expected numbers from -3 to 2, got 7"):
        lesson.prepare(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [1, 2]}, r"weights: expected a number for each of 3 classes, got \[1, 2\]"),
        (
            {"weights": "balanced", "data": {"name": "diabetes"}},
            "weights: expected no value, since the targets are no classes, got balanced",
        ),
    ],
)
def test_weights_of_classes_that_there_are_not(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lesson.prepare(train_config(**change))


def test_balanced_classes_weigh_the_same() -> None:
    assert train_config(weights=None) == train_config()
    for data, loss in (("iris", "default"), ("breast_cancer", "by_classes")):
        found = lesson.prepare(train_config(data={"name": data}, loss={"name": loss}, weights="balanced"))
        y = found.train.y if found.train.y.shape[1] > 1 else np.c_[1 - found.train.y, found.train.y]
        shares = y.sum(axis=0) * list(found.weights.values())
        np.testing.assert_allclose(shares, len(y) / y.shape[1])


def test_a_penalty_for_frozen_layers_alone() -> None:
    config = train_config(penalty={"name": "l2", "layers": [0]}, frozen=[0])
    with pytest.raises(ConfigError, match=r"penalty\.layers: expected a layer that is not frozen \(\[2\]\), got \[0\]"):
        lesson.prepare(config)


def test_every_optimizer_has_its_keys_in_a_file() -> None:
    folder = Path(experiment.__file__).parents[1] / "conf" / "optimizer"
    found = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    assert {name: set(keys) - {"name"} for name, keys in found.items()} == {
        name: set(keys) for name, keys in experiment.OPTIMIZERS.items()
    }
    assert all(keys["name"] == name for name, keys in found.items())
