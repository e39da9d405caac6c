"""Training in rows: the summary's columns, the table that people read, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prograd_experiments import records, tables
from prograd_experiments.experiment import Row
from prograd_experiments.records import Record
from prograd_experiments.speed_gap.summary import named
from prograd_experiments.tables import Cell, Table
from prograd_experiments.training.lesson import ACCURACY
from prograd_experiments.units import seconds, three

POINT = (
    "data",
    "network",
    "depth",
    "width",
    "activation",
    "loss",
    "optimizer",
    "mode",
    "epochs",
    "dtype",
    "threads",
    "seed",
)
FINAL = ("train_loss", "test_loss", "train_score", "test_score")
COLUMNS = (
    "status",
    *POINT,
    "epochs_done",
    *FINAL,
    "score_is",
    "train_samples",
    "test_samples",
    "parameters",
    "seconds",
    "config_hash",
    "directory",
    "error",
)


def row(record: Record) -> dict[str, Any]:
    """A record as one row; what a failed job lacks is None."""
    config, problem = record["config"], record.get("problem", {})
    return {
        "status": record["status"],
        **{key: named(config.get(key)) for key in ("data", "network", "activation", "loss", "optimizer")},
        **{key: config.get(key) for key in ("depth", "width", "mode", "epochs", "dtype", "threads", "seed")},
        "epochs_done": record.get("epochs_done"),
        **{key: record.get("final", {}).get(key) for key in FINAL},
        "score_is": record.get("score_is"),
        **{key: problem.get(key) for key in ("train_samples", "test_samples", "parameters")},
        "seconds": record.get("seconds"),
        "config_hash": record["config_hash"],
        "error": records.reason(record),
        "curves": record.get("curves"),
    }


def order(row: Row) -> tuple[tuple[bool, Any], ...]:
    """Sorts rows by what tells them apart."""
    keys = (*POINT, "config_hash", "directory")
    return tuple((row[key] is None, 0 if row[key] is None else row[key]) for key in keys)


def varying(rows: Sequence[Row]) -> list[str]:
    """What tells the rows apart."""
    return [key for key in POINT if len({row[key] for row in rows}) > 1]


def label(row: Row, rows: Sequence[Row]) -> str:
    """A row in words: what tells it apart, or what it is where there is nothing to tell apart."""
    return ", ".join(f"{key} {row[key]}" for key in varying(rows)) or f"{row['data']}, {row['network']}"


def table(rows: Sequence[Row]) -> Table:
    """What varies, then epochs, losses, scores and time."""
    varied = varying(rows)
    point = list(dict.fromkeys(["data", "optimizer", *varied]))
    results = ["epochs done", "train loss", "test loss", "train score", "test score", "took"]
    lines = []
    for row in rows:
        texts = [str(row[key]) if key in varied else str(row[key]).partition(" ")[0] for key in point]
        cells = [Cell(text, row[key]) for text, key in zip(texts, point, strict=True)]
        done = tables.plain(row["epochs_done"])
        if row["status"] != "complete":
            lines.append([*cells, done, *tables.unfinished(tables.STATUS_WORDS[row["status"]], len(results) - 1)])
            continue
        losses = [Cell(_loss(row[key]), row[key]) for key in ("train_loss", "test_loss")]
        scores = [Cell(_score(row[key], row), row[key]) for key in ("train_score", "test_score")]
        lines.append([*cells, done, *losses, *scores, Cell(seconds(row["seconds"]), row["seconds"])])
    return Table(point, results, lines)


def samples(record: Record) -> dict[str, Sequence[float]]:
    """One value each of the losses, the scores and the seconds."""
    if record["status"] != "complete":
        return {}
    values = {key.replace("_", " "): record["final"].get(key) for key in FINAL} | {"took": record.get("seconds")}
    return {key: [float(value)] for key, value in values.items() if value is not None}


def answer(rows: Sequence[Row]) -> str:
    """For each data set the best score on samples that were not trained on."""
    measured = [row for row in rows if row["status"] == "complete" and row["test_score"] is not None]
    if not measured:
        return "No run has a score on samples that it was not trained on." + _left(rows)
    sentences = []
    for name in dict.fromkeys(row["data"] for row in measured):
        of = [row for row in measured if row["data"] == name]
        best = max(of, key=lambda row: row["test_score"] * (1 if row["score_is"] == ACCURACY else -1))
        what = "of the classes right" if best["score_is"] == ACCURACY else "(standard deviations) of error"
        runs = f", the best of {len(of)} runs ({label(best, of)})" if len(of) > 1 else ""
        sentences.append(
            f"On {name}: {_score(best['test_score'], best)} {what} on {best['test_samples']} samples that it was not "
            f"trained on, after {best['epochs_done']} epochs of {best['optimizer'].partition(' ')[0]}{runs}."
        )
    return " ".join(sentences) + _left(rows)


def _left(rows: Sequence[Row]) -> str:
    left = sum(row["status"] != "complete" for row in rows)
    return f" {left} of {len(rows)} runs did not come to their end: see the table." if left else ""


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _score(value: float | None, row: Row) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if row["score_is"] == ACCURACY else three(value)
