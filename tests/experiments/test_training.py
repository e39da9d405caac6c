"""Training: parts of the data, trajectories, checkpoints, single steps, scores, and what stops it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd.errors import OptionError
from prograd_experiments import environment, jobs, records
from prograd_experiments.collect import collect
from prograd_experiments.errors import ConfigError, RecordError
from prograd_experiments.samples import Data
from prograd_experiments.training import lesson, loop, state
from prograd_experiments.training.experiment import Training
from tests.helpers.configs import ADAM, GD, LBFGS, SGD, TRAIN_CONFIG, train_config

pytestmark = pytest.mark.usefixtures("no_git")


def weights(folder: Path) -> state.State:
    return state.load(folder / state.NAME).state


def trained(folder: Path, **changes: Any) -> tuple[dict[str, Any], state.State]:
    folder.mkdir(exist_ok=True)
    return loop.train(train_config(**changes), folder), weights(folder)


@pytest.mark.parametrize("optimizer", [GD, SGD, ADAM, LBFGS], ids=lambda found: found["name"])
def test_forward_and_reverse_mode_give_the_same_trajectory(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    forward, w = trained(tmp_path / "f", optimizer=optimizer, mode="forward")
    reverse, v = trained(tmp_path / "r", optimizer=optimizer, mode="reverse")
    # Gradients differ by rounding, which smooth losses and a few dozen steps do not amplify beyond a few digits.
    np.testing.assert_allclose(w.w, v.w, rtol=1e-9, atol=1e-11)
    for curve in state.CURVES:
        np.testing.assert_allclose(forward["curves"][curve], reverse["curves"][curve], rtol=1e-9)
    assert reverse["curves"]["train_loss"][-1] < 0.8 * reverse["curves"]["train_loss"][0]


def test_weights_of_classes_are_those_of_the_objective(tmp_path: Path) -> None:
    config = {"weights": [1.0, 0.5, 4.0], "epochs": 1, "validation_fraction": 0}
    _, found = trained(tmp_path / "weighted", **config)
    made = lesson.prepare(train_config(**config))
    f = prograd.Objective(made.net, made.loss, *made.train, weights={0: 1.0, 1: 0.5, 2: 4.0})
    np.testing.assert_array_equal(found.w, made.w - GD["rate"] * f.gradient(made.w))


def test_ridge_regression_reaches_its_closed_form(tmp_path: Path) -> None:
    """`(XᵀX/N + rate·I) w = Xᵀy/N` for the weights, with a bias that has no penalty."""
    rate, data = 0.3, {"name": "synthetic", "task": "regression", "samples": 40, "features": 3, "outputs": 1}
    config = {
        "data": data,
        "depth": 1,
        "optimizer": {"name": "lbfgs", "iterations": 200, "memory": 10},
        "penalty": {"name": "l2", "rate": rate, "parameters": ["W"]},
    }
    results, found = trained(tmp_path / "ridge", **config)
    part = lesson.prepare(train_config(**config)).train
    X, y = np.c_[part.x, np.ones(len(part.x))], part.y[:, 0]
    G = X.T @ X / len(y) + rate * np.diag([1.0, 1, 1, 0])
    np.testing.assert_allclose(found.w, np.linalg.solve(G, X.T @ y / len(y)), rtol=1e-5, atol=1e-6)
    r = X @ found.w - y
    assert results["curves"]["train_loss"][-1] == pytest.approx(r @ r / 2 / len(y))  # without the penalty


class Broken(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("optimizer", [GD, SGD, ADAM, LBFGS], ids=lambda found: found["name"])
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
    assert v.best.tobytes() == w.best.tobytes()
    assert again["curves"] == whole["curves"]
    assert again["final"] == whole["final"]


def test_more_epochs_from_a_checkpoint_are_as_if_they_had_been_asked_for_at_once(tmp_path: Path) -> None:
    _, w = trained(tmp_path / "once", optimizer=SGD)
    trained(tmp_path / "first", optimizer=SGD, epochs=2)
    start = str(tmp_path / "first" / state.NAME)
    more, v = trained(tmp_path / "more", optimizer=SGD, start=start)
    assert more["resumed_from"] == 2
    assert v.w.tobytes() == w.w.tobytes()

    with pytest.raises(RecordError, match="expected a checkpoint with width=5, got one with width=4"):
        trained(tmp_path / "other", optimizer=SGD, start=start, width=5)
    with pytest.raises(RecordError, match="expected at most epochs=1, got 2 epochs"):
        trained(tmp_path / "other", optimizer=SGD, start=start, epochs=1)
    with pytest.raises(ConfigError, match=r"start: expected a readable file, got nowhere\.npz; No such file"):
        trained(tmp_path / "other", start="nowhere.npz")


def test_a_checkpoint_of_other_code_or_another_configuration_is_not_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / state.NAME
    for left in ("other code", "other configuration"):
        at = state.State(np.full(3, 9.0), *np.zeros((3, 3)), epoch=4)
        code = "another" if left == "other code" else environment.code()
        state.save(at, train_config(seed=1) if left == "other configuration" else train_config(), code, path)
        assert loop.train(train_config(), tmp_path)["resumed_from"] == 0
    assert loop.train(train_config(), tmp_path)["resumed_from"] == 6
    assert loop.train(train_config(), tmp_path, force=True)["resumed_from"] == 0


def rewritten(path: Path, **changes: object) -> None:
    """Changes what a checkpoint says of itself, by the same means that wrote it."""
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    about, curves = (json.loads(str(found[name])) for name in ("about", "curves"))
    about |= {key: value for key, value in changes.items() if key in about}
    curves |= {key: value for key, value in changes.items() if key in curves}
    np.savez(path, **found | {"about": np.array(json.dumps(about)), "curves": np.array(json.dumps(curves))})


def flipped(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def in_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "epoch": lambda path: rewritten(path, epoch=3),
    "curves": lambda path: rewritten(path, train_loss=[0.0]),
    "flag": lambda path: rewritten(path, converged=True),
    "no_text": lambda path: rewritten(path, epoch={}),
    "first_byte": lambda path: flipped(path, 0),
    "version_of_zip": lambda path: flipped(path, 4),
    "number": lambda path: flipped(path, 300),
    "digest": lambda path: flipped(path, -1),
    "half": lambda path: path.write_bytes(path.read_bytes()[:200]),
    "nothing": lambda path: path.write_bytes(b""),
    "nobodys": lambda path: np.savez(path, x=np.ones(3)),
    "pipe": piped,
    "folder": in_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_set_aside_and_training_begins_anew(tmp_path: Path, damage: str) -> None:
    whole, w = trained(tmp_path)
    path = tmp_path / state.NAME
    DAMAGE[damage](path)
    again, v = trained(tmp_path)
    assert again["resumed_from"] == 0
    assert str(path) in again["set_aside"]
    assert "it is checkpoint.unreadable.npz now, and training begins anew" in again["set_aside"]
    assert path.with_suffix(".unreadable.npz").exists()
    assert (again["curves"], v.w.tobytes()) == (whole["curves"], w.w.tobytes())
    assert "set_aside" not in trained(tmp_path)[0]


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    trained(tmp_path)
    path = tmp_path / state.NAME
    content = path.read_bytes()
    for at in random.Random(0).sample(range(len(content)), 300):  # noqa: S311
        path.write_bytes(content)
        flipped(path, at)
        with pytest.raises(RecordError, match="that ends with its SHA-256"):
            state.load(path)


@pytest.mark.parametrize("damage", ["epoch", "number", "half"])
def test_training_does_not_start_from_a_damaged_checkpoint(tmp_path: Path, damage: str) -> None:
    trained(tmp_path / "first", epochs=2)
    start = tmp_path / "first" / state.NAME
    config = train_config(start=str(start))
    DAMAGE[damage](start)
    with pytest.raises(RecordError, match=r"checkpoint\.npz: expected a checkpoint of prograd-run"):
        loop.train(config)
    assert start.exists()


def test_training_starts_from_the_checkpoint_that_its_configuration_names(tmp_path: Path) -> None:
    trained(tmp_path / "first", epochs=2)
    config = train_config(start=str(tmp_path / "first" / state.NAME))
    trained(tmp_path / "first", epochs=3)
    with pytest.raises(RecordError, match="got one changed since"):
        loop.train(config)


def test_a_pipe_is_no_checkpoint_to_start_from(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match=r"start: expected a file, got .*; it is a pipe, a socket or a device"):
        train_config(start=str(tmp_path / "pipe"))


def test_a_checkpoint_holds_no_pickles(tmp_path: Path) -> None:
    trained(tmp_path)
    with np.load(tmp_path / state.NAME, allow_pickle=False) as arrays:
        assert {name: arrays[name].dtype.kind for name in arrays.files} == {
            "w": "f",
            "v": "f",
            "s": "f",
            "best": "f",
            "about": "U",
            "curves": "U",
        }


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [GD, SGD, ADAM, LBFGS], ids=lambda found: found["name"])
def test_steps_are_their_formulas_on_least_squares(optimizer: dict[str, Any]) -> None:
    data = {"name": "synthetic", "task": "regression", "samples": 30, "features": 2, "outputs": 1}
    config = train_config(data=data, depth=1, optimizer=optimizer, epochs=400, validation_fraction=0)
    results = loop.train(config)
    part = lesson.prepare(config).train
    design = np.column_stack([part.x, np.ones(len(part.x))])
    best = np.linalg.lstsq(design, part.y, rcond=None)[0]
    least = 0.5 * np.mean((design @ best - part.y) ** 2)
    # Batches leave noise about the optimum, as a large part of a loss this small; L-BFGS-B ends when a step gains less
    # than 2.2e-9; gradient descent comes to it.
    close = {"sgd": {"abs": 0.02}, "adam": {"abs": 0.02}, "lbfgs": {"abs": 2.3e-9}}.get(
        optimizer["name"], {"rel": 1e-9}
    )
    assert results["final"]["train_loss"] == pytest.approx(least, **close)
    assert results["curves"]["train_loss"][0] > 0.1
    assert results["converged"] == (optimizer is LBFGS)


def test_one_step_of_gradient_descent_and_of_sgd_by_hand() -> None:
    first = lesson.prepare(train_config())
    f = prograd.Objective(first.net, first.loss, first.train.x, first.train.y)
    g = f.gradient(first.w)
    one = train_config(epochs=1)
    at = state.beginning(first.w)
    loop.STEPS["gradient_descent"](at, first, one)
    np.testing.assert_array_equal(at.w, first.w - 0.2 * g)

    at = state.State(first.w, np.ones_like(first.w), first.w, first.w)
    loop.STEPS["sgd"](at, first, train_config(optimizer=SGD | {"batch": 100}))
    np.testing.assert_allclose(at.v, 0.9 - 0.1 * g, rtol=1e-12)  # the sum over the samples in another order
    np.testing.assert_array_equal(at.w, first.w + at.v)


def test_steps_of_adam_by_hand() -> None:
    first = lesson.prepare(train_config())
    f = prograd.Objective(first.net, first.loss, first.train.x, first.train.y)
    at = state.beginning(first.w)
    one_batch = train_config(optimizer=ADAM | {"batch": 100})
    loop.STEPS["adam"](at, first, one_batch)
    g = f.gradient(first.w)
    # The first step is the rate in the direction of each sign: the means start at 0, and are corrected for that.
    np.testing.assert_allclose(at.w, first.w - 0.05 * g / (np.abs(g) + 1e-8), rtol=1e-9)
    h = f.gradient(at.w)
    v, s = (0.9 * 0.1 * g + 0.1 * h) / (1 - 0.9**2), (0.99 * 0.01 * g**2 + 0.01 * h**2) / (1 - 0.99**2)
    w, at.epoch = at.w, 1
    loop.STEPS["adam"](at, first, one_batch)
    np.testing.assert_allclose(at.w, w - 0.05 * v / (np.sqrt(s) + 1e-8), rtol=1e-9)


@pytest.mark.slow
def test_training_stops_where_a_layer_is_not_finite_and_names_it(tmp_path: Path) -> None:
    wild = TRAIN_CONFIG | {
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
    assert ": layers[" in message
    assert "it is the first such layer" in message
    assert record["curves"]["train_loss"][0] > 0
    assert record["epochs_done"] < 50
    assert collect(tmp_path).rows[0]["status"] == "failed"


@pytest.mark.parametrize(("rate", "told"), [(1e4, ["optimizer.rate=0.1 may be small enough"]), (0.01, [])])
def test_a_loss_that_rose_is_told_with_a_smaller_rate(caplog: pytest.LogCaptureFixture, rate: float, told) -> None:
    loop.train(train_config(optimizer=GD | {"rate": rate}, epochs=3))
    assert [message.split("; ")[-1] for message in caplog.messages if "the training loss rose from" in message] == told


def test_the_layer_that_is_named_is_the_first_one() -> None:
    first = lesson.prepare(train_config(depth=3))
    w = first.w.copy()
    first.net.unpack(w)[2]["W"][1, 0] = np.inf
    from_steps = loop.STEPS["gradient_descent"]
    with pytest.raises(
        prograd.errors.NonFiniteError, match=r"layers\[2\] \(affine\): expected finite outputs, got .* output 1"
    ):
        from_steps(state.beginning(w), first, train_config(depth=3))


def test_parts_are_apart_and_standardised_by_the_training_part() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 5, size=(20, 2))
    x[:, 1] = 0.1
    data = Data("d", "regression", x, x[:, :1])
    parts = lesson.split(data, 0.3, 0.2, np.random.default_rng(0), np.dtype("float64"))
    assert [len(part.x) for part in parts[:3]] == [10, 4, 6]
    np.testing.assert_allclose(parts.train.x[:, 0].mean(), 0, atol=1e-15)
    np.testing.assert_allclose(parts.train.x[:, 0].std(), 1)
    assert not any(part.x[:, 1].any() for part in parts[:3])
    assert abs(parts.test.x[:, 0].mean()) > 1e-3
    back = np.concatenate([parts.features.undo(part.x)[:, 0] for part in parts[:3]])
    np.testing.assert_allclose(np.sort(back), np.sort(x[:, 0]))
    np.testing.assert_allclose(parts.train.y, parts.train.x[:, :1])
    other = lesson.split(data, 0.3, 0.0, np.random.default_rng(0), np.dtype("float64"))
    np.testing.assert_allclose(other.features.undo(other.test.x), parts.features.undo(parts.test.x))
    with pytest.raises(ConfigError, match=r"at least 2 of 20 samples to train on, got 0\.5 and 0\.45, which leave 1"):
        lesson.split(data, 0.5, 0.45, np.random.default_rng(0), np.dtype("float64"))


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=lambda found: found["name"])
def test_a_batch_is_at_most_the_training_part(optimizer: dict[str, Any]) -> None:
    assert len(lesson.prepare(train_config(optimizer=optimizer | {"batch": 22})).train.x) == 22
    message = (
        r"^optimizer\.batch: expected at most the 22 samples of the training part, got 23; "
        r"optimizer\.batch=22 takes all of them for each step$"
    )
    with pytest.raises(ConfigError, match=message):
        lesson.prepare(train_config(optimizer=optimizer | {"batch": 23}))


def test_scores_by_hand() -> None:
    assert lesson.accuracy(np.array([[2.0, 1], [0, 1]]), np.array([[1.0, 0], [1, 0]])) == 0.5
    assert lesson.accuracy(np.array([[2.0], [-1], [-3]]), np.array([[1.0], [1], [0]])) == pytest.approx(2 / 3)
    y = np.array([[0.0, 1], [2, 3], [4, 5]])
    assert lesson.r_squared(y, y) == 1
    assert lesson.r_squared(np.full((3, 2), [2.0, 3]), y) == 0
    assert lesson.r_squared(y + np.array([1, 0]), y) == pytest.approx((1 - 3 / 8 + 1) / 2)


def test_the_error_is_in_the_units_of_the_target() -> None:
    config = train_config(data={"name": "diabetes"}, depth=1, optimizer=LBFGS | {"iterations": 30})
    results, found = loop.train(config), lesson.prepare(config)
    deviation = found.split.targets.deviation[0]
    assert deviation == pytest.approx(77, rel=0.1)
    for part in ("train", "validation", "test"):
        its = getattr(found.split, part)
        # Half the mean square is the loss, in standard deviations of the training targets.
        loss, error, score = (results["final"][f"{part}_{what}"] for what in ("loss", "error", "score"))
        assert error == pytest.approx(deviation * np.sqrt(2 * loss))
        assert score == pytest.approx(1 - 2 * loss / its.y.var())


def test_the_test_part_is_looked_at_once_at_the_end(tmp_path: Path) -> None:
    results, at = trained(tmp_path)
    found = lesson.prepare(train_config())
    assert not [name for name in results["curves"] if "test" in name]
    assert results["final"]["test_loss"] == np.mean(
        found.loss.value(found.net(at.best, found.split.test.x), found.split.test.y)
    )
    assert results["final"]["test_error"] is None
    without = loop.train(train_config(test_fraction=0, validation_fraction=0))
    assert without["final"]["test_loss"] is without["final"]["validation_score"] is None
    assert without["curves"]["validation_loss"] == [None] * 7


def test_the_validation_part_chooses_the_epoch(tmp_path: Path) -> None:
    # Few samples and a large network: the score of the validation part falls again while the training loss falls on.
    changes = {"data": TRAIN_CONFIG["data"] | {"features": 12}, "width": 30, "optimizer": ADAM, "epochs": 40}
    results, at = trained(tmp_path, **changes)
    curves, number = results["curves"], results["chosen_epoch"]
    assert 0 < number < results["epochs_done"] == 40
    score, loss = curves["validation_score"][number], curves["validation_loss"][number]
    others = list(zip(curves["validation_score"], curves["validation_loss"], strict=True))
    assert all(other < score or (other == score and its >= loss) for other, its in others)
    for what in ("loss", "score"):
        for part in ("train", "validation"):
            assert results["final"][f"{part}_{what}"] == curves[f"{part}_{what}"][number]
    there = trained(tmp_path / "there", **changes | {"epochs": number})
    assert there[1].w.tobytes() == at.best.tobytes() != at.w.tobytes()
    assert there[0]["final"] == results["final"]
    record = jobs.run(TRAIN_CONFIG | changes, tmp_path / "there", force=True)
    assert record["chosen_epoch"] == number
    assert f"after {number} of 40 epochs of adam" in Training().answer(collect(tmp_path / "there").rows)


def test_of_equal_scores_the_smallest_loss_and_then_the_first_epoch_is_chosen() -> None:
    def curves(*points: tuple[float | None, float | None]) -> dict[str, list[float | None]]:
        scores, losses = map(list, zip(*points, strict=True))
        return {"epochs": [*range(len(points))], "validation_score": scores, "validation_loss": losses}

    assert state.chosen(curves((0.5, 0.1), (0.9, 0.4), (0.9, 0.3), (0.9, 0.3), (0.8, 0.2))) == 2
    assert state.chosen(curves((0.5, 0.1), (None, None), (0.9, None), (0.4, 0.3))) == 0
    assert state.chosen(curves((None, None), (None, None))) == 1


def test_each_epoch_is_told_with_how_it_stands() -> None:
    told: list[tuple[int, int, str]] = []
    results = loop.train(train_config(epochs=3, evaluate_every=2), progress=lambda *how: told.append(how))
    assert [how[:2] for how in told] == [(1, 3), (2, 3), (3, 3)]
    curves = results["curves"]
    last = f"train loss {curves['train_loss'][-1]:.4g}, validation loss {curves['validation_loss'][-1]:.4g}"
    assert told[-1][2] == last
    assert told[0][2] != last


@pytest.mark.parametrize("optimizer", [GD, SGD, ADAM, LBFGS], ids=lambda found: found["name"])
def test_frozen_layers_stay_as_they_are(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    """From the beginning, and from a checkpoint whose optimizer remembers how they moved."""
    net = lesson.prepare(train_config()).net
    at = net.entries([0])
    result, w = trained(tmp_path / "last", optimizer=optimizer, frozen=[0])
    _, whole = trained(tmp_path / "whole", optimizer=optimizer, epochs=3)
    start = str(tmp_path / "whole" / state.NAME)
    _, v = trained(tmp_path / "more", optimizer=optimizer, frozen=[0], start=start)
    for begun, ended in ((lesson.prepare(train_config()).w, w.w), (whole.w, v.w)):
        np.testing.assert_array_equal(ended[at], begun[at])
        assert (np.delete(ended, at) != np.delete(begun, at)).any()
    assert result["curves"]["train_loss"][-1] < result["curves"]["train_loss"][0]


def test_frozen_layers_save_multiply_adds_of_the_prediction() -> None:
    whole, last = (Training().predicted_seconds(train_config(frozen=frozen)) for frozen in ([], [0]))
    assert last < whole


@pytest.mark.parametrize(
    ("frozen", "error", "message"),
    [
        ([0, 2], ConfigError, "frozen: expected to leave a layer with parameters, got .*which are all of them"),
        ([1], OptionError, r"frozen: expected layers with parameters, got 1, layers\[1\] \(tanh\)"),
        ([9], OptionError, "frozen: expected numbers from -3 to 2, got 9"),
        (["W"], ConfigError, "frozen: expected a list of integers, got"),
        (0, ConfigError, "frozen: expected a list of integers, got 0"),
    ],
)
def test_what_can_not_be_frozen(frozen: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lesson.prepare(train_config(frozen=frozen))
