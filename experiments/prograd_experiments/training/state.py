"""How far training has come, and the checkpoint to continue from: arrays in one NPZ file, without pickles."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from prograd_experiments import storage
from prograd_experiments.config import Config
from prograd_experiments.errors import RecordError
from prograd_experiments.samples import Array

NAME = "checkpoint.npz"
SCHEMA = "prograd.checkpoint/1"
CURVES = ("epochs", "train_loss", "test_loss", "train_score", "test_score")
FREE = ("epochs", "start", "start_sha256", "checkpoint_seconds")
"""Keys in which training may differ from the training that left its checkpoint."""


@dataclass
class State:
    """Everything that the next epoch depends on: `w`, the velocity `v`, the epochs done, and the curves so far."""

    w: Array
    v: Array
    epoch: int = 0
    converged: bool = False
    curves: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in CURVES})


def save(state: State, config: Config, code: str, path: Path) -> None:
    """Replaces the checkpoint in one step."""
    about = {"schema": SCHEMA, "config": dict(config), "code": code, "epoch": state.epoch, "converged": state.converged}
    content = io.BytesIO()
    np.savez(
        content, w=state.w, v=state.v, about=np.array(json.dumps(about)), curves=np.array(json.dumps(state.curves))
    )
    storage.replace(path, content.getvalue())


def load(path: Path) -> tuple[State, Config, str]:
    """The state, its configuration, and the code that left it. Raises `RecordError` if the file holds none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("w", "v", "about", "curves")}
        about, curves = json.loads(str(found["about"])), json.loads(str(found["curves"]))
    except OSError as error:
        got = error.strerror or error
        raise RecordError(f"{path}: expected a checkpoint, got an error on reading: {got}") from error
    except (ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        raise RecordError(f"{path}: expected a checkpoint of prograd-run, got {error}") from error
    if about.get("schema") != SCHEMA:
        raise RecordError(f"{path}: expected the schema {SCHEMA!r}, got {about.get('schema')!r}")
    state = State(found["w"], found["v"], about["epoch"], about["converged"], curves)
    return state, about["config"], about["code"]


def started_from(path: Path, config: Config) -> State:
    """The state at which `config` continues. Raises `RecordError` if the checkpoint belongs to another lesson."""
    state, its, _ = load(path)
    for key in config:
        if key not in FREE and config[key] != its.get(key):
            left, asked = json.dumps(its.get(key)), json.dumps(config[key])
            raise RecordError(f"start={path}: expected a checkpoint with {key}={asked}, got one with {key}={left}")
    if state.epoch > config["epochs"]:
        raise RecordError(f"start={path}: expected at most epochs={config['epochs']}, got {state.epoch} epochs")
    return state
