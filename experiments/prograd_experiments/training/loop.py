"""Epoch by epoch, with curves of both parts of the samples, the best parameters, and a checkpoint to continue from."""

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
from prograd_experiments.experiment import Progress, silent
from prograd_experiments.samples import Array
from prograd_experiments.training import state as checkpoint
from prograd_experiments.training import trained
from prograd_experiments.training.lesson import Lesson, Part, prepare
from prograd_experiments.training.state import State
from prograd_experiments.training.steps import STEPS, Watch

ORDINARY_RATE = 0.1
SCORES = ("loss", "score", "error")


def train(
    config: Config, directory: Path | None = None, *, force: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """The results of one job. Raises `DivergedError`, with the results so far, when a number is not finite.

    With a directory, training continues from `checkpoint.npz` in it, if the same configuration and code left that,
    and keeps it up to date; with `force` it begins anew. At the end, `model.npz` there holds what was learned.
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
                progress(state.epoch, config["epochs"], _told(state))
        except NonFiniteError as error:
            results = _results(state, lesson, resumed, ended=False) | set_aside
            hint = _smaller_rate(config)
            raise DivergedError(f"training stopped after {state.epoch} epochs: {error}{hint}", results) from error
        first, *_, final = state.curves["train_loss"]
        if first is not None and final is not None and final > first:
            text = f"the training loss rose from {first:.4g} to {final:.4g}{_smaller_rate(config)}"
            logging.getLogger(__name__).warning("%s", text)
        if directory is not None:
            trained.save(lesson, state.best, directory / trained.NAME)
        return _results(state, lesson, resumed, ended=True) | set_aside


def _smaller_rate(config: Config) -> str:
    """A hint, for optimizers that have a rate: features are standardised, so a rate above 0.1 is a large one."""
    rate = config["optimizer"].get("rate")
    return "" if rate is None else f"; optimizer.rate={min(rate / 10, ORDINARY_RATE):g} may be small enough"


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
        state = checkpoint.started_from(Path(config["start"]), config)
        state.v, state.s = lesson.held(state.v), lesson.held(state.s)
        return state, set_aside
    return checkpoint.beginning(lesson.w), set_aside


def _evaluate(state: State, lesson: Lesson) -> None:
    """Adds a point to the curves. Raises `NonFiniteError` if the loss on the training part is not finite."""
    watch = Watch(lesson.net, lesson.loss, lesson.train)
    watch.finite(state.w)
    found = _scored(state.w, lesson, lesson.train)
    watch.finite(state.w, np.nan if found["loss"] is None else found["loss"])
    validated = _scored(state.w, lesson, lesson.split.validation)
    values = (state.epoch, found["loss"], validated["loss"], found["score"], validated["score"])
    for name, value in zip(checkpoint.CURVES, values, strict=True):
        state.curves[name].append(value)
    if checkpoint.chosen(state.curves) == len(state.curves["epochs"]) - 1:
        state.best = state.w


def _scored(w: Array, lesson: Lesson, part: Part) -> dict[str, float | None]:
    """Loss, score, and error of a part; None for one that is not finite, and for a part without samples."""
    if not len(part.x):
        return dict.fromkeys(SCORES)
    z = lesson.net(w, part.x)
    values = float(np.mean(lesson.loss.value(z, part.y))), lesson.score(z, part.y), lesson.error(z, part.y)
    return {
        name: value if value is not None and np.isfinite(value) else None
        for name, value in zip(SCORES, values, strict=True)
    }


def _told(state: State) -> str:
    """The last point of the curves in a few words."""
    loss, validated = (state.curves[f"{part}_loss"][-1] for part in ("train", "validation"))
    return f"train loss {loss:.4g}" + ("" if validated is None else f", validation loss {validated:.4g}")


def _results(state: State, lesson: Lesson, resumed: int, *, ended: bool) -> dict[str, Any]:
    curves, parts = state.curves, {"train": lesson.train, "validation": lesson.split.validation}
    if ended:  # the test part is looked at once
        scores = {
            name: _scored(state.best, lesson, part) for name, part in (parts | {"test": lesson.split.test}).items()
        }
        final = {f"{part}_{name}": its[name] for name in SCORES for part, its in scores.items()}
    else:
        final = {name: values[-1] if values else None for name, values in curves.items() if name != "epochs"}
    return {
        "environment": environment.environment(),
        "problem": {
            "layers": [layer.name for layer in lesson.net.layers],
            "n": [int(n) for n in lesson.net.n],
            "parameters": int(lesson.net.size),
            "loss": lesson.loss.name,
            "dtype": str(lesson.w.dtype),
            "target": lesson.samples.target,
            "train_samples": len(lesson.train.x),
            "validation_samples": len(lesson.split.validation.x),
            "test_samples": len(lesson.split.test.x),
        },
        "epochs_done": state.epoch,
        "chosen_epoch": curves["epochs"][checkpoint.chosen(curves)] if ended else None,
        "resumed_from": resumed,
        "converged": state.converged,
        "score_is": lesson.score_is,
        "final": final,
        "curves": curves,
    }
