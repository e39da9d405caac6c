"""Configurations of training: what is refused, with which words, and what a good one becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from prograd_experiments.errors import ConfigError
from prograd_experiments.training import TRAIN, lesson, settings
from tests.helpers.configs import GD, SGD, TRAIN_CONFIG, train_config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modes": ["reverse"]}, r"modes=\[\"reverse\"\]: means nothing to experiment=train; mode= sets that here"),
        ({"batch": 32}, r"batch=32: means nothing to experiment=train; optimizer\.batch= sets that here"),
        ({"optimizer": {"name": "adam"}}, r"optimizer\.name=adam is not known\. Choices: gradient_descent, sgd, lbfgs"),
        ({"optimizer": GD | {"momentum": 0.9}}, r"unknown key 'optimizer\.momentum'\. Choices: name, rate"),
        ({"optimizer": SGD | {"momentum": 1}}, r"optimizer\.momentum=1: a number from 0 up to, but not including, 1"),
        ({"optimizer": SGD | {"batch": 0}}, r"optimizer\.batch=0: an integer of at least 1"),
        ({"mode": "backward"}, r"mode=backward is not known\. Choices: reverse, forward"),
        ({"test_fraction": 1}, r"test_fraction=1: a number from 0"),
        ({"epochs": 0}, r"epochs=0: an integer of at least 1"),
        ({"epoch": 3}, r"unknown key 'epoch'; did you mean epochs"),
        ({"checkpoint_seconds": -1}, r"checkpoint_seconds=-1: a number of at least 0"),
        (
            {"loss": {"name": "by_classes"}, "data": {"name": "diabetes"}},
            r"loss=by_classes: .* diabetes has no classes",
        ),
    ],
)
def test_what_can_not_be_trained_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TRAIN.check(TRAIN_CONFIG | change)


def test_two_classes_are_one_output_to_the_logistic_loss() -> None:
    two, three = (
        {"data": {"name": name}, "loss": {"name": "by_classes"}, "depth": 1} for name in ("breast_cancer", "iris")
    )
    assert train_config(**two)["loss"] == {"name": "logistic"}
    assert lesson.prepare(train_config(**two)).net.n == (30, 1)
    assert train_config(**three)["loss"] == {"name": "softmax_cross_entropy"}
    assert lesson.prepare(train_config(**three)).net.n == (4, 3)


def test_every_optimizer_has_its_keys_in_a_file() -> None:
    folder = Path(settings.__file__).parents[1] / "conf" / "optimizer"
    found = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    assert {name: set(keys) - {"name"} for name, keys in found.items()} == {
        name: set(keys) for name, keys in settings.OPTIMIZERS.items()
    }
    assert all(keys["name"] == name for name, keys in found.items())
