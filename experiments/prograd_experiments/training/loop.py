"""Epoch by epoch, with an eye on both parts of the samples and a checkpoint to go on from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from prograd.errors import NonFiniteError
from prograd_experiments import config as read
from prograd_experiments import environment
from prograd_experiments.config import Config
from prograd_experiments.errors import DivergedError, RecordError
from prograd_experiments.training import state as checkpoint
from prograd_experiments.training.finite import Watch
from prograd_experiments.training.lesson import Lesson, Part, prepare
from prograd_experiments.training.state import State
from prograd_experiments.training.steps import STEPS


def train(config: Config, directory: Path | None = None, *, force: bool = False) -> dict[str, Any]:
    """The results of one job. Raises `DivergedError`, with the results until then, when a number is not finite.

    With a directory, `checkpoint.npz` in it is kept up to date, and gone on from, if it was left by the same
    configuration and code; with `force` it is not.
    """
    # What overflows is found by looking at results, and named; numpy's warnings would only say that it happened.
    with threadpool_limits(limits=read.integer(config, "threads", 1)), np.errstate(all="ignore"):
        lesson = prepare(config)
        path = None if directory is None else directory / checkpoint.NAME
        state = _begun(config, lesson, None if force else path)
        resumed = state.epoch
        step, last = STEPS[config["optimizer"]["name"]], time.monotonic()
        try:
            if not state.curves["epochs"]:
                _look(state, lesson)
            while state.epoch < config["epochs"] and not state.converged:
                step(state, lesson, config)
                state.epoch += 1
                end = state.converged or state.epoch == config["epochs"]
                if end or state.epoch % config["evaluate_every"] == 0:
                    _look(state, lesson)
                if path is not None and (end or time.monotonic() - last >= config["checkpoint_seconds"]):
                    checkpoint.save(state, config, environment.code(), path)
                    last = time.monotonic()
        except NonFiniteError as error:
            results = _results(state, lesson, resumed)
            raise DivergedError(f"training stopped after {state.epoch} epochs: {error}", results) from error
        return _results(state, lesson, resumed)


def _begun(config: Config, lesson: Lesson, path: Path | None) -> State:
    if path is not None and path.exists():
        try:
            state, of, code = checkpoint.load(path)
        except RecordError:  # half of somebody's file is no reason not to begin anew
            pass
        else:
            if of == config and code == environment.code():
                return state
    if config["start"] is not None:
        return checkpoint.started_from(Path(config["start"]), config)
    return State(lesson.w, np.zeros_like(lesson.w))


def _look(state: State, lesson: Lesson) -> None:
    """Adds a point to the curves. Raises `NonFiniteError` where the loss on the training part is not finite."""
    curves = state.curves
    watch = Watch(lesson.net, lesson.loss, lesson.train)
    watch.parameters(state.w)
    loss, score = _seen(state, lesson, lesson.train)
    watch.value(state.w, loss)
    test_loss, test_score = _seen(state, lesson, lesson.test) if len(lesson.test.x) else (np.nan, np.nan)
    seen = (state.epoch, loss, test_loss, score, test_score)
    for name, value in zip(checkpoint.CURVES, seen, strict=True):
        curves[name].append(value if np.isfinite(value) else None)


def _seen(state: State, lesson: Lesson, part: Part) -> tuple[float, float]:
    z = lesson.net(state.w, part.x)
    return float(np.mean(lesson.loss.value(z, part.y))), lesson.score(z, part.y)


def _results(state: State, lesson: Lesson, resumed: int) -> dict[str, Any]:
    curves = state.curves
    last = {name: values[-1] if values else None for name, values in curves.items()}
    return {
        "environment": environment.environment(),
        "problem": {
            "layers": [layer.name for layer in lesson.net.layers],
            "n": [int(n) for n in lesson.net.n],
            "parameters": int(lesson.net.size),
            "loss": lesson.loss.name,
            "dtype": str(lesson.w.dtype),
            "train_samples": len(lesson.train.x),
            "test_samples": len(lesson.test.x),
        },
        "epochs_done": state.epoch,
        "resumed_from": resumed,
        "converged": state.converged,
        "score_is": lesson.score_is,
        "final": {name: value for name, value in last.items() if name != "epochs"},
        "curves": curves,
    }
