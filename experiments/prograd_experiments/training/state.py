"""How far training has come, and the checkpoint to continue from: arrays in one NPZ file, without pickles."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prograd_experiments import storage
from prograd_experiments.config import Config, config_hash, identity, shown
from prograd_experiments.errors import RecordError
from prograd_experiments.samples import Array

NAME = "checkpoint.npz"
SCHEMA = "prograd.checkpoint/4"
DIGITS = 64
CURVES = ("epochs", "train_loss", "validation_loss", "train_score", "validation_score")
FREE = ("epochs", "frozen", "start", "start_sha256", "checkpoint_seconds")
"""Keys in which training may differ from the training that left its checkpoint."""


@dataclass
class State:
    """Everything that the next epoch depends on: `w`, the means `v` and `s`, the epochs done, and the curves so far.

    `v` is the velocity of `sgd` or the mean of the gradients of `adam`, and `s` the mean of their squares. `best` are
    the parameters of the epoch that `chosen` finds in the curves.
    """

    w: Array
    v: Array
    s: Array
    best: Array
    epoch: int = 0
    converged: bool = False
    curves: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in CURVES})


def beginning(w: Array) -> State:
    """The state before the first epoch."""
    return State(w, np.zeros_like(w), np.zeros_like(w), w)


def chosen(curves: Mapping[str, Sequence[float | None]]) -> int:
    """The number of the point of the curves whose parameters are the result.

    It has the best score on the validation part, of equal ones that with the smallest loss there, of these the first.
    Without a validation part it is the last.
    """
    found = [
        (-score, loss, number)
        for number, (score, loss) in enumerate(zip(curves["validation_score"], curves["validation_loss"], strict=True))
        if score is not None and loss is not None
    ]
    return min(found)[-1] if found else len(curves["epochs"]) - 1


@dataclass(frozen=True)
class Checkpoint:
    """A state, the configuration and the code that left it, and the SHA-256 of its file."""

    state: State
    config: Config
    config_hash: str
    code: str
    sha256: str


def save(state: State, config: Config, code: str, path: Path) -> None:
    """Replaces the checkpoint in one step. The SHA-256 of all that precedes it ends the file, in hexadecimal digits."""
    about = {
        "schema": SCHEMA,
        "config": dict(config),
        "config_hash": config_hash(config),
        "code": code,
        "epoch": state.epoch,
        "converged": state.converged,
    }
    content = io.BytesIO()
    about_it, curves = (np.array(json.dumps(text)) for text in (about, state.curves))
    np.savez(content, w=state.w, v=state.v, s=state.s, best=state.best, about=about_it, curves=curves)
    arrays = content.getvalue()
    storage.replace(path, arrays + _digest(arrays))


def load(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises `RecordError` if the file holds none, or one that was changed since."""
    try:
        content = storage.content(path)
    except OSError as error:
        got = error.strerror or error
        raise RecordError(f"{path}: expected a checkpoint, got an error on reading: {got}") from error
    arrays, digest = content[:-DIGITS], content[-DIGITS:]
    if digest != _digest(arrays):
        raise RecordError(f"{path}: expected a checkpoint of prograd-run that ends with its SHA-256, got another file")
    with np.load(io.BytesIO(arrays), allow_pickle=False) as found:
        about, curves = json.loads(str(found["about"])), json.loads(str(found["curves"]))
        if about["schema"] != SCHEMA:
            raise RecordError(f"{path}: expected the schema {SCHEMA!r}, got {about['schema']!r}")
        w, v, s, best = (found[name] for name in ("w", "v", "s", "best"))
        state = State(w, v, s, best, about["epoch"], about["converged"], curves)
    return Checkpoint(state, about["config"], about["config_hash"], about["code"], hashlib.sha256(content).hexdigest())


def started_from(path: Path, config: Config) -> State:
    """The state at which `config` continues. Raises `RecordError` if the checkpoint belongs to another lesson."""
    found = load(path)
    state, its = found.state, found.config
    if found.sha256 != config["start_sha256"]:
        raise RecordError(f"start={path}: expected the file with the hash in start_sha256, got one changed since")
    for key, value in identity(config).items():
        if key not in FREE and value != identity(its).get(key):
            left, asked = json.dumps(shown(its).get(key)), json.dumps(shown(config)[key])
            raise RecordError(f"start={path}: expected a checkpoint with {key}={asked}, got one with {key}={left}")
    if state.epoch > config["epochs"]:
        raise RecordError(f"start={path}: expected at most epochs={config['epochs']}, got {state.epoch} epochs")
    return state


def _digest(arrays: bytes) -> bytes:
    return hashlib.sha256(arrays).hexdigest().encode()
