"""Epoch by epoch, with curves of both parts of the samples and a checkpoint to continue from."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from prograd.errors import NonFiniteError
from prograd_experiments import environment, storage
from prograd_experiments.config import Config, config_hash
from prograd_experiments.errors import DivergedError, RecordError
from prograd_experiments.training import state as checkpoint
from prograd_experiments.training.lesson import Lesson, Part, prepare
from prograd_experiments.training.state import State
from prograd_experiments.training.steps import STEPS, Watch


def train(config: Config, directory: Path | None = None, *, force: bool = False) -> dict[str, Any]:
    """The results of one job. Raises `DivergedError`, with the results so far, when a number is not finite.

    With a directory, training continues from `checkpoint.npz` in it, if the same configuration and code left that,
    and keeps it up to date; with `force` it begins anew.
    """
    # Results are checked, and the layer is named; numpy's warnings would only say that something overflowed.
    with threadpool_limits(limits=config["threads"]), np.errstate(all="ignore"):
        lesson = prepare(config)
        path = None if directory is None else directory / checkpoint.NAME
        state, set_aside = _begin(config, lesson, None if force else path)
        resumed = state.epoch
        step, last = STEPS[config["optimizer"]["name"]], time.monotonic()
        try:
            if not state.curves["epochs"]:
                _evaluate(state, lesson)
            while state.epoch < config["epochs"] and not state.converged:
                step(state, lesson, config)
                state.epoch += 1
                end = state.converged or state.epoch == config["epochs"]
                if end or state.epoch % config["evaluate_every"] == 0:
                    _evaluate(state, lesson)
                if path is not None and (end or time.monotonic() - last >= config["checkpoint_seconds"]):
                    checkpoint.save(state, config, environment.code(), path)
                    last = time.monotonic()
        except NonFiniteError as error:
            results = _results(state, lesson, resumed) | set_aside
            rate = config["optimizer"].get("rate")
            hint = "" if rate is None else f"; optimizer.rate={rate / 10:g} may be small enough"
            raise DivergedError(f"training stopped after {state.epoch} epochs: {error}{hint}", results) from error
        return _results(state, lesson, resumed) | set_aside


def _begin(config: Config, lesson: Lesson, path: Path | None) -> tuple[State, dict[str, str]]:
    """The state to begin with, and what the record says of a file that was set aside."""
    set_aside: dict[str, str] = {}
    if path is not None and os.path.lexists(path):
        try:
            found = checkpoint.load(path)
        except RecordError as error:  # a broken file must not keep training from beginning anew
            text = f"{error}; it is {storage.set_aside(path).name} now, and training begins anew"
            logging.getLogger(__name__).warning("%s", text)
            set_aside = {"set_aside": text}
        else:
            if found.config_hash == config_hash(config) and found.code == environment.code():
                return found.state, set_aside
    if config["start"] is not None:
        return checkpoint.started_from(Path(config["start"]), config), set_aside
    return State(lesson.w, np.zeros_like(lesson.w)), set_aside


def _evaluate(state: State, lesson: Lesson) -> None:
    """Adds a point to the curves. Raises `NonFiniteError` if the loss on the training part is not finite."""
    watch = Watch(lesson.net, lesson.loss, lesson.train)
    watch.finite(state.w)
    loss, score = _scored(state, lesson, lesson.train)
    watch.finite(state.w, loss)
    test_loss, test_score = _scored(state, lesson, lesson.test) if len(lesson.test.x) else (np.nan, np.nan)
    values = (state.epoch, loss, test_loss, score, test_score)
    for name, value in zip(checkpoint.CURVES, values, strict=True):
        state.curves[name].append(value if np.isfinite(value) else None)


def _scored(state: State, lesson: Lesson, part: Part) -> tuple[float, float]:
    z = lesson.net(state.w, part.x)
    return float(np.mean(lesson.loss.value(z, part.y))), lesson.score(z, part.y)


def _results(state: State, lesson: Lesson, resumed: int) -> dict[str, Any]:
    curves = state.curves
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
        "final": {name: values[-1] if values else None for name, values in curves.items() if name != "epochs"},
        "curves": curves,
    }
