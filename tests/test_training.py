"""Training: trajectories, checkpoints, what stops it, the models that are ready, and the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import prograd
from prograd_experiments import environment, jobs, records
from prograd_experiments.collect import collect
from prograd_experiments.errors import ConfigError, RecordError
from prograd_experiments.samples import Data
from prograd_experiments.training import TRAIN, figures, lesson, loop, pictures, settings, state, summary
from tests import processes

GD = {"name": "gradient_descent", "rate": 0.2}
SGD = {"name": "sgd", "rate": 0.1, "momentum": 0.9, "batch": 7}
LBFGS = {"name": "lbfgs", "iterations": 3, "memory": 5}

SMALL: dict[str, Any] = {
    "experiment": {"name": "train"},
    "network": {"name": "mlp", "final": None},
    "data": {"name": "synthetic", "task": "classification", "samples": 40, "features": 3, "outputs": 3},
    "loss": {"name": "default"},
    "optimizer": GD,
    "depth": 2,
    "width": 4,
    "activation": "tanh",
    "seed": 0,
    "dtype": "float64",
    "threads": 1,
    "mode": "reverse",
    "epochs": 6,
    "test_fraction": 0.25,
    "evaluate_every": 1,
    "checkpoint_seconds": 0,
    "start": None,
}


def config(**changes: Any) -> dict[str, Any]:
    return dict(settings.check(SMALL | changes))


def weights(folder: Path) -> state.State:
    return state.load(folder / state.NAME)[0]


def trained(folder: Path, **changes: Any) -> tuple[dict[str, Any], state.State]:
    folder.mkdir(exist_ok=True)
    return loop.train(config(**changes), folder), weights(folder)


@pytest.mark.parametrize("optimizer", [GD, SGD, LBFGS], ids=lambda found: found["name"])
def test_forward_and_reverse_mode_give_the_same_trajectory(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    forward, w = trained(tmp_path / "f", optimizer=optimizer, mode="forward")
    reverse, v = trained(tmp_path / "r", optimizer=optimizer, mode="reverse")
    # Gradients differ by rounding, which smooth losses and a few dozen steps do not amplify beyond a few digits.
    np.testing.assert_allclose(w.w, v.w, rtol=1e-9, atol=1e-11)
    for curve in state.CURVES:
        np.testing.assert_allclose(forward["curves"][curve], reverse["curves"][curve], rtol=1e-9)
    assert reverse["curves"]["train_loss"][-1] < 0.8 * reverse["curves"]["train_loss"][0]


class Broken(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("optimizer", [GD, SGD, LBFGS], ids=lambda found: found["name"])
def test_interrupted_training_goes_on_bit_by_bit(tmp_path: Path, monkeypatch, optimizer: dict[str, Any]) -> None:
    whole, w = trained(tmp_path / "whole", optimizer=optimizer)
    folder, save = tmp_path / "broken", state.save

    def save_and_break(at: state.State, *rest: Any) -> None:
        save(at, *rest)
        if at.epoch == 3:
            raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(state, "save", save_and_break)
        with pytest.raises(Broken):
            trained(folder, optimizer=optimizer)
    again, v = trained(folder, optimizer=optimizer)

    assert again["resumed_from"] == 3
    assert v.w.tobytes() == w.w.tobytes()
    assert v.v.tobytes() == w.v.tobytes()
    assert again["curves"] == whole["curves"]


def test_more_epochs_from_a_checkpoint_are_as_if_they_had_been_asked_for_at_once(tmp_path: Path) -> None:
    _, w = trained(tmp_path / "once", optimizer=SGD)
    trained(tmp_path / "first", optimizer=SGD, epochs=2)
    start = str(tmp_path / "first" / state.NAME)
    more, v = trained(tmp_path / "more", optimizer=SGD, start=start)
    assert more["resumed_from"] == 2
    assert v.w.tobytes() == w.w.tobytes()

    with pytest.raises(RecordError, match="it was left with width=4, not 5"):
        trained(tmp_path / "other", optimizer=SGD, start=start, width=5)
    with pytest.raises(RecordError, match="it has 2 epochs behind it, more than epochs=1"):
        trained(tmp_path / "other", optimizer=SGD, start=start, epochs=1)
    with pytest.raises(ConfigError, match=r"start=nowhere\.npz: No such file"):
        trained(tmp_path / "other", start="nowhere.npz")


def test_a_checkpoint_of_other_code_or_another_configuration_or_of_nobody_is_not_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / state.NAME
    for left in ("other code", "other configuration", "nobody"):
        at = state.State(np.full(3, 9.0), np.zeros(3), epoch=4)
        code = "another" if left == "other code" else environment.code()
        state.save(at, config(seed=1) if left == "other configuration" else config(), code, path)
        if left == "nobody":
            path.write_bytes(b"PK half")
        assert loop.train(config(), tmp_path)["resumed_from"] == 0
    assert loop.train(config(), tmp_path)["resumed_from"] == 6
    assert loop.train(config(), tmp_path, force=True)["resumed_from"] == 0


def test_a_checkpoint_holds_no_pickles(tmp_path: Path) -> None:
    trained(tmp_path)
    with np.load(tmp_path / state.NAME, allow_pickle=False) as arrays:
        assert {name: arrays[name].dtype.kind for name in arrays.files} == {
            "w": "f",
            "v": "f",
            "about": "U",
            "curves": "U",
        }


@pytest.mark.parametrize("optimizer", [GD, SGD, LBFGS], ids=lambda found: found["name"])
def test_steps_are_their_formulas_on_least_squares(optimizer: dict[str, Any]) -> None:
    data = {"name": "synthetic", "task": "regression", "samples": 30, "features": 2, "outputs": 1}
    results = loop.train(config(data=data, depth=1, optimizer=optimizer, epochs=400))
    part = lesson.prepare(config(data=data, depth=1)).train
    design = np.column_stack([part.x, np.ones(len(part.x))])
    best = np.linalg.lstsq(design, part.y, rcond=None)[0]
    least = 0.5 * np.mean((design @ best - part.y) ** 2)
    # Batches leave noise about the optimum, as a large part of a loss this small; L-BFGS-B ends when a step gains less
    # than 2.2e-9; gradient descent comes to it.
    close = {"sgd": {"abs": 0.02}, "lbfgs": {"abs": 2.3e-9}}.get(optimizer["name"], {"rel": 1e-9})
    assert results["final"]["train_loss"] == pytest.approx(least, **close)
    assert results["curves"]["train_loss"][0] > 0.1
    assert results["converged"] == (optimizer is LBFGS)


def test_one_step_of_gradient_descent_and_of_sgd_by_hand() -> None:
    first = lesson.prepare(config())
    f = prograd.Objective(first.net, first.loss, first.train.x, first.train.y)
    g = f.gradient(first.w)
    one = config(epochs=1)
    at = state.State(first.w, np.zeros_like(first.w))
    loop.STEPS["gradient_descent"](at, first, one)
    np.testing.assert_array_equal(at.w, first.w - 0.2 * g)

    at = state.State(first.w, np.ones_like(first.w))
    loop.STEPS["sgd"](at, first, config(optimizer=SGD | {"batch": 100}))
    np.testing.assert_allclose(at.v, 0.9 - 0.1 * g, rtol=1e-12)  # the sum over the samples in another order
    np.testing.assert_array_equal(at.w, first.w + at.v)


def test_training_stops_where_a_layer_is_not_finite_and_names_it(tmp_path: Path) -> None:
    wild = SMALL | {
        "activation": "relu",
        "optimizer": GD | {"rate": 1e200},
        "loss": {"name": "squared_error"},
        "epochs": 50,
    }
    record = jobs.run(wild, tmp_path)
    assert record == records.read(tmp_path / "record.json")
    assert record["status"] == "failed"
    assert record["error"]["type"] == "DivergedError"
    message = record["error"]["message"]
    assert message.startswith("training stopped after ")
    assert "the output of layers[" in message
    assert "is the first that is not finite" in message
    assert record["curves"]["train_loss"][0] > 0
    assert record["epochs_done"] < 50
    assert collect(tmp_path).rows[0]["status"] == "failed"


def test_the_layer_that_is_named_is_the_first_one() -> None:
    first = lesson.prepare(config(depth=3))
    w = first.w.copy()
    first.net.unpack(w)[2]["W"][1, 0] = np.inf
    from_steps = loop.STEPS["gradient_descent"]
    with pytest.raises(
        prograd.errors.NonFiniteError, match=r"output of layers\[2\] \(affine\) is the first .* output 1"
    ):
        from_steps(state.State(w, w), first, config(depth=3))


def test_parts_are_apart_and_standardised_by_the_training_part() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 5, size=(20, 2))
    x[:, 1] = 0.1
    train, test = lesson.split(Data("d", "regression", x, x[:, :1]), 0.3, 0, np.dtype("float64"))
    assert (len(train.x), len(test.x)) == (14, 6)
    np.testing.assert_allclose(train.x[:, 0].mean(), 0, atol=1e-15)
    np.testing.assert_allclose(train.x[:, 0].std(), 1)
    assert not train.x[:, 1].any()
    assert not test.x[:, 1].any()
    assert abs(test.x[:, 0].mean()) > 1e-3
    assert not set(train.x[:, 0]) & set(test.x[:, 0])
    np.testing.assert_allclose(train.y, train.x[:, :1])


def test_scores_by_hand() -> None:
    assert lesson.accuracy(np.array([[2.0, 1], [0, 1]]), np.array([[1.0, 0], [1, 0]])) == 0.5
    assert lesson.accuracy(np.array([[2.0], [-1], [-3]]), np.array([[1.0], [1], [0]])) == pytest.approx(2 / 3)
    assert lesson.error(np.array([[3.0], [0.0]]), np.array([[0.0], [4.0]])) == pytest.approx(np.sqrt(12.5))


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
        TRAIN.check(SMALL | change)


def test_two_classes_are_one_output_to_the_logistic_loss() -> None:
    two, three = (
        {"data": {"name": name}, "loss": {"name": "by_classes"}, "depth": 1} for name in ("breast_cancer", "iris")
    )
    assert config(**two)["loss"] == {"name": "logistic"}
    assert lesson.prepare(config(**two)).net.n == (30, 1)
    assert config(**three)["loss"] == {"name": "softmax_cross_entropy"}
    assert lesson.prepare(config(**three)).net.n == (4, 3)


def test_every_optimizer_has_its_keys_in_a_file() -> None:
    folder = Path(settings.__file__).parents[1] / "conf" / "optimizer"
    found = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    assert {name: set(keys) - {"name"} for name, keys in found.items()} == {
        name: set(keys) for name, keys in settings.OPTIMIZERS.items()
    }
    assert all(keys["name"] == name for name, keys in found.items())


def run(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
    done = processes.run(["prograd-run", "-m", *arguments, "hydra.sweep.dir=s"], folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "How well does the network predict" in done.stdout
    for name in ("summary.csv", "train.png", "report.html"):
        assert (folder / "s" / name).stat().st_size > 0
    return [json.loads(path.read_text()) for path in sorted((folder / "s").glob("*/record.json"))]


def test_linear_regression_comes_to_the_least_squares(tmp_path: Path) -> None:
    (record,) = run(tmp_path, "experiment=linear_regression")
    part = lesson.prepare(record["config"]).train
    design = np.column_stack([part.x, np.ones(len(part.x))])
    residual = design @ np.linalg.lstsq(design, part.y, rcond=None)[0] - part.y
    assert record["final"]["train_loss"] == pytest.approx(0.5 * np.mean(residual**2), rel=1e-4)  # scipy's tolerance
    assert record["problem"]["layers"] == ["affine"]
    assert record["final"]["test_score"] < 0.85  # deviations; predicting the mean errs by about 1


def test_logistic_regression_of_two_classes_and_of_three(tmp_path: Path) -> None:
    records = run(tmp_path, "experiment=logistic_regression", "data=breast_cancer,iris")
    assert [record["config"]["loss"]["name"] for record in records] == ["logistic", "softmax_cross_entropy"]
    assert all(record["final"]["test_score"] > 0.9 for record in records)


def test_the_mlp_learns_the_digits(tmp_path: Path) -> None:
    (record,) = run(tmp_path, "experiment=mlp_digits")
    assert record["final"]["test_score"] >= 0.97
    assert record["problem"]["test_samples"] == 449
    assert len(record["curves"]["epochs"]) == 31
    page = (tmp_path / "s" / "report.html").read_text()
    assert "Losses are means over the samples; those called test were not trained on" in page
    assert "Times are for" not in page


def test_the_curves_are_in_the_picture(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        jobs.run(SMALL | {"seed": seed}, tmp_path / str(seed))
    rows = collect(tmp_path).rows
    axes = figures.Figure().subplots()
    figures.draw(axes, rows, "loss", "Mean loss")
    assert [line.get_label() for line in axes.get_lines()] == [
        "train: seed 0",
        "test: seed 0",
        "train: seed 1",
        "test: seed 1",
    ]
    assert list(axes.get_lines()[0].get_ydata()) == rows[0]["curves"]["train_loss"]
    loss, score = pictures.pictures(rows)
    assert [series.name for series in loss.series] == [line.get_label() for line in axes.get_lines()]
    assert [point.y for point in loss.series[0].points] == rows[0]["curves"]["train_loss"]
    assert score.y.label == rows[0]["score_is"]
    assert summary.varying(rows) == ["seed"]
    assert "the best of 2 runs" in summary.answer(rows)
