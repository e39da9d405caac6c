"""How far training has come, and the checkpoint that it goes on from: arrays in one NPZ file, without pickles."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from prograd_experiments import records
from prograd_experiments.config import Config
from prograd_experiments.errors import RecordError
from prograd_experiments.samples import Array

NAME = "checkpoint.npz"
SCHEMA = "prograd.checkpoint/1"
CURVES = ("epochs", "train_loss", "test_loss", "train_score", "test_score")
FREE = ("epochs", "start", "start_sha256", "checkpoint_seconds")
"""Keys in which training that starts from a checkpoint may differ from the one that left it."""


@dataclass
class State:
    """`w`, the velocity `v`, epochs done, and what was seen on the way; everything that the next epoch depends on."""

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
    records.write_atomically(path, content.getvalue())


def load(path: Path) -> tuple[State, Config, str]:
    """The state, the configuration that it belongs to, and the code. Raises `RecordError` where there is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("w", "v", "about", "curves")}
        about, curves = json.loads(str(found["about"])), json.loads(str(found["curves"]))
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        raise RecordError(f"{path}: no checkpoint of prograd-run: {error}") from error
    if about.get("schema") != SCHEMA:
        raise RecordError(f"{path}: no checkpoint of prograd-run (its schema is not {SCHEMA!r})")
    state = State(found["w"], found["v"], about["epoch"], about["converged"], curves)
    return state, about["config"], about["code"]


def started_from(path: Path, config: Config) -> State:
    """The state to go on from with this configuration. Raises `RecordError` when it is another lesson's."""
    state, of, _ = load(path)
    differing = [key for key in config if key not in FREE and config[key] != of.get(key)]
    for key in differing[:1]:
        was, asked = json.dumps(of.get(key)), json.dumps(config[key])
        raise RecordError(f"start={path}: it was left with {key}={was}, not {asked}")
    if state.epoch > config["epochs"]:
        raise RecordError(f"start={path}: it has {state.epoch} epochs behind it, more than epochs={config['epochs']}")
    return state
