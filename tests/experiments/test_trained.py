"""What training has learned, loaded again: the same predictions, in the units and the words of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd_experiments
from prograd_experiments import data
from prograd_experiments.errors import RecordError
from prograd_experiments.training import lesson, loop, state, trained
from tests.helpers.configs import ADAM, CSV, train_config

pytestmark = pytest.mark.usefixtures("no_git")


def learned(folder: Path, **changes: Any) -> tuple[dict[str, Any], lesson.Lesson, np.ndarray[Any, Any]]:
    """The results of a run, its lesson, and the parameters that it chose."""
    config = train_config(optimizer=ADAM, **changes)
    return loop.train(config, folder), lesson.prepare(config), state.load(folder / state.NAME).state.best


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_classes_are_predicted_as_in_training(tmp_path: Path, dtype: str) -> None:
    results, its, w = learned(tmp_path, data={"name": "iris"}, dtype=dtype)
    model = prograd_experiments.load(tmp_path)
    assert model.w.tobytes() == w.tobytes()
    assert (model.target, list(model.classes)) == ("target", ["setosa", "versicolor", "virginica"])
    assert model.columns[0] == "sepal length (cm)"
    iris = data.load({"data": {"name": "iris"}})
    x = its.split.features.apply(iris.features).astype(dtype)
    np.testing.assert_array_equal(model.outputs(iris.features), its.net(w, x))
    right = model.predict(iris.features) == np.array(iris.classes)[iris.targets.argmax(axis=1)]
    parts = ("train", "validation", "test")
    expected = sum(results["final"][f"{part}_score"] * len(getattr(its.split, part).x) for part in parts)
    assert right.sum() == pytest.approx(expected)
    assert right.mean() > 0.5


def test_numbers_are_predicted_in_the_units_of_the_target(tmp_path: Path) -> None:
    results, its, w = learned(tmp_path, data={"name": "diabetes"})
    model = prograd_experiments.load(str(tmp_path))
    found = data.load({"data": {"name": "diabetes"}})
    predicted = model.predict(found.features)
    assert predicted.shape == (442,)
    # The test part, in the order in which it was drawn.
    rows = np.random.default_rng([0, 442]).permutation(442)[: len(its.split.test.x)]
    np.testing.assert_array_equal(
        model.predict(found.features[rows]), its.split.targets.undo(its.net(w, its.split.test.x))[:, 0]
    )
    error = np.sqrt(np.mean((predicted[rows] - found.targets[rows, 0]) ** 2))
    assert error == pytest.approx(results["final"]["test_error"])


def test_a_table_that_is_gone_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,colour,t\n" + "".join(f"{i},{('red', 'blue')[i % 2]},{'yn'[i % 2]}\n" for i in range(40)))
    learned(tmp_path, data=CSV | {"path": str(path), "categories": ["colour"]}, loss={"name": "logistic"}, epochs=40)
    path.unlink()
    model = prograd_experiments.load(tmp_path)
    assert (model.columns, model.target, model.classes) == (["a", "colour=blue", "colour=red"], "t", ["n", "y"])
    assert model.predict(np.array([[3.0, 1, 0], [4.0, 0, 1], [np.nan, 1, 0]])).tolist() == ["n", "y", "n"]
    for x in (np.zeros((2, 4)), np.zeros(3)):
        with pytest.raises(RecordError, match=r"predict: expected features \(N, 3\): a, colour=blue, colour=red, got"):
            model.predict(x)


def test_several_numbers_are_predicted_in_rows(tmp_path: Path) -> None:
    learned(tmp_path, data={"name": "synthetic", "task": "regression", "samples": 30, "features": 2, "outputs": 3})
    assert prograd_experiments.load(tmp_path).predict(np.zeros((5, 2))).shape == (5, 3)


def test_a_directory_without_a_trained_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"model\.npz: expected a trained network, got no file; a run of experiment="):
        prograd_experiments.load(tmp_path)
    learned(tmp_path)
    path = tmp_path / trained.NAME
    with np.load(path) as arrays:
        found = dict(arrays)
    about = json.loads(str(found["about"]))
    wrong = [
        ({"w": found["w"][1:]}, "expected 31 parameters of 3 features, got"),
        ({"about": np.array(json.dumps(about | {"schema": "prograd.model/0"}))}, "expected the schema"),
        ({"about": np.array(json.dumps(about | {"layers": [{"name": "nobodys"}]}))}, "nobodys"),
        ({"w": np.array([None])}, "Object arrays cannot be loaded"),
    ]
    for change, message in wrong:
        np.savez(path, **found | change)
        with pytest.raises(RecordError, match=message):
            prograd_experiments.load(tmp_path)
    path.write_bytes(b"PK")
    with pytest.raises(RecordError, match="expected a trained network, got another file"):
        prograd_experiments.load(tmp_path)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        prograd_experiments.lod  # noqa: B018
