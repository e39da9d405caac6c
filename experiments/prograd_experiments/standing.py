"""What a folder already holds for a point: a result that counts, one to make again, or something else."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from prograd_experiments import records
from prograd_experiments.errors import RecordError

ASIDE = "record.unreadable.json"


class Standing(Enum):
    """How a point stands; the values are the words for it."""

    NEW = "new"
    COMPLETE = "complete"
    OUTDATED = "by other code"
    FAILED = "failed"
    UNFINISHED = "not finished"
    UNREADABLE = "unreadable"
    FOREIGN = "of another configuration"


def standing(folder: Path, fingerprint: str, code: str) -> Standing:
    """How the point with this hash of its configuration stands in its folder, for this code."""
    path = folder / records.NAME
    if not path.exists():
        return Standing.NEW
    try:
        record = records.read(path)
    except RecordError:
        return Standing.UNREADABLE
    if record["config_hash"] != fingerprint:
        return Standing.FOREIGN
    if record["status"] == "complete":
        return Standing.COMPLETE if record.get("code") == code else Standing.OUTDATED
    return Standing.FAILED if record["status"] == "failed" else Standing.UNFINISHED


def set_aside(folder: Path) -> Path:
    """Renames what stands in the way of a record, so that nobody's file is lost; returns its new place."""
    number, place = 1, folder / ASIDE
    while place.exists():
        number += 1
        place = folder / f"record.unreadable-{number}.json"
    return (folder / records.NAME).rename(place)
