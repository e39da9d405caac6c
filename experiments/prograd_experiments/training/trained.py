"""What training has learned, in a file: the network, its parameters, the scaling of the samples, and the classes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import prograd
from prograd_experiments import storage
from prograd_experiments.errors import RecordError
from prograd_experiments.samples import Array, Scaling
from prograd_experiments.training.lesson import Lesson

NAME = "model.npz"
SCHEMA = "prograd.model/1"
ARRAYS = ("w", "mean", "deviation", "target_mean", "target_deviation")


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network `g(w, ·)` with the scaling of its features and targets.

    `columns` names the features in their order, `target` what is predicted, and `classes` its values; `classes` is
    empty, and `targets` not None, if numbers are predicted.
    """

    network: prograd.Network
    w: Array
    features: Scaling
    targets: Scaling | None
    columns: Sequence[str]
    target: str
    classes: Sequence[str]

    def outputs(self, x: Array) -> Array:
        """`g(w, (x − mean) / deviation)`, from features (N, n) in their own units to (N, m). NaN is the mean.

        Raises `RecordError` for another number of features.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.features.mean):
            names = f": {', '.join(self.columns)}" if self.columns else ""
            raise RecordError(f"predict: expected features (N, {len(self.features.mean)}){names}, got shape {x.shape}")
        z: Array = self.network(self.w, self.features.apply(x).astype(self.w.dtype))
        return z

    def predict(self, x: Array) -> np.ndarray[Any, Any]:
        """The class of each sample (N,), as text; or its number (N,), or numbers (N, m), in the target's units."""
        z = self.outputs(x)
        if self.targets is None:
            number = (z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(axis=1)
            labels: np.ndarray[Any, Any] = np.array(self.classes)[number]
            return labels
        numbers = self.targets.undo(z)
        return numbers.reshape(-1) if numbers.shape[1] == 1 else numbers


def save(lesson: Lesson, w: Array, path: Path) -> None:
    """Replaces the file in one step: plain arrays, and JSON as text."""
    features, targets = lesson.split.features, lesson.split.targets
    about = {
        "schema": SCHEMA,
        "layers": lesson.layers,
        "n_in": int(lesson.net.n[0]),
        "columns": list(lesson.samples.columns),
        "target": lesson.samples.target,
        "classes": list(lesson.samples.classes),
    }
    arrays = (w, *features, *(targets or (np.empty(0), np.empty(0))))
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps(about)), **dict(zip(ARRAYS, arrays, strict=True)))
    storage.replace(path, content.getvalue())


def load(directory: str | Path) -> Trained:
    """What the training run in a directory has learned.

    Loads no pickles. Raises `RecordError` if the run has not ended well, and if the file there holds something else.
    """
    path = Path(directory) / NAME
    if not path.exists():
        hint = "a run of experiment=train leaves it in its directory when it ends"
        raise RecordError(f"{path}: expected a trained network, got no file; {hint}")
    try:
        with np.load(io.BytesIO(storage.content(path)), allow_pickle=False) as found:
            about = json.loads(str(found["about"]))
            w, mean, deviation, target_mean, target_deviation = (found[name] for name in ARRAYS)
        net = prograd.Network.from_config(about["layers"], n_in=about["n_in"])
        schema, named = about["schema"], (about["columns"], about["target"], about["classes"])
    except Exception as error:  # a damaged archive makes zipfile, numpy and JSON raise anything
        got = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{path}: expected a trained network, got another file: {got}") from error
    if schema != SCHEMA:
        raise RecordError(f"{path}: expected the schema {SCHEMA!r}, got {schema!r}")
    if w.shape != (net.size,) or mean.shape != (net.n[0],):
        got = f"{w.shape} and {mean.shape}"
        raise RecordError(f"{path}: expected {net.size} parameters of {net.n[0]} features, got {got}")
    targets = Scaling(target_mean, target_deviation) if len(target_mean) else None
    return Trained(net, w, Scaling(mean, deviation), targets, *named)
