"""The points of a sweep: each checked, each with a folder of its own, and how each stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from prograd_experiments.config import config_hash, resolved
from prograd_experiments.errors import ConfigError
from prograd_experiments.jobs import experiment_of
from prograd_experiments.standing import Standing, standing

SUBDIR = "hydra.sweep.subdir"
LONGEST_SLUG = 80
FOLDER = re.compile(r"(?:.*_)?([0-9a-f]{8})")
RUN_AGAIN = (Standing.NEW, Standing.FAILED, Standing.OUTDATED, Standing.UNREADABLE, Standing.UNFINISHED)
"""What is not finished comes last: what kills its process must not keep the rest from being measured."""


@dataclass(frozen=True)
class Point:
    """One job: its overrides, what tells it apart, and the folder of its record below the sweep's directory."""

    overrides: tuple[str, ...]
    label: str
    folder: str
    fingerprint: str


def plan(config: DictConfig, loader: ConfigLoader, jobs: Sequence[Sequence[str]]) -> list[Point]:
    """The points, each checked; two that mean the same are one. Raises `ConfigError` with all that is wrong."""
    points: dict[str, Point] = {}
    wrong: dict[str, None] = {}
    shared = set[str]().union(*jobs[:1]).intersection(*jobs)
    for overrides in jobs:
        if any(override.startswith(f"{SUBDIR}=") for override in overrides):
            raise ConfigError(
                f"{SUBDIR} can't be set: a point's folder is named by its configuration, to be found again"
            )
        own = resolved(loader.load_sweep_config(config, list(overrides)))
        try:
            fingerprint = config_hash(experiment_of(own).check(own))
        except ConfigError as error:
            wrong[str(error)] = None
            continue
        apart = [override for override in overrides if override not in shared]
        label = " ".join(apart).replace("\\", "") or "the only point"  # Hydra escapes what its grammar has a use for
        points.setdefault(fingerprint, Point(tuple(overrides), label, _folder(apart, fingerprint), fingerprint))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return list(points.values())


def settle(points: Sequence[Point], directory: Path, code: str) -> dict[Point, Standing]:
    """How each point stands. One that has a folder already keeps it, whatever the sweep varied that made it.

    Raises `ConfigError` when a folder holds the record of some other point, which must not be lost.
    """
    folders = _folders(directory)
    placed = [
        Point(point.overrides, point.label, folders.get(point.fingerprint[:8], point.folder), point.fingerprint)
        for point in points
    ]
    stands = {point: standing(directory / point.folder, point.fingerprint, code) for point in placed}
    foreign = [point.folder for point, found in stands.items() if found is Standing.FOREIGN]
    if foreign:
        raise ConfigError("\n".join(f"{directory / folder}: holds the record of another point" for folder in foreign))
    return stands


def to_run(stands: dict[Point, Standing], *, force: bool) -> list[Point]:
    """The points without a result that counts; with `force` all of them."""
    again = (*RUN_AGAIN, Standing.COMPLETE) if force else RUN_AGAIN
    return [point for wanted in again for point, found in stands.items() if found is wanted]


def summed_up(stands: dict[Point, Standing], *, force: bool) -> str:
    """What a sweep is about to do, in a line: `12 points: 8 complete, skipped; 1 failed, repeated; 3 new`."""
    counts = {found: list(stands.values()).count(found) for found in Standing}
    ends = dict.fromkeys(Standing, ", repeated") | {Standing.NEW: "", Standing.COMPLETE: ", skipped"}
    if force:
        ends[Standing.COMPLETE] = ", repeated (force=true)"
    ends[Standing.UNREADABLE] = ", set aside and repeated"
    order = (Standing.COMPLETE, *(found for found in Standing if found not in {Standing.COMPLETE, Standing.NEW}))
    parts = [f"{counts[found]} {found.value}{ends[found]}" for found in (*order, Standing.NEW) if counts[found]]
    return f"{len(stands)} point{'s' * (len(stands) > 1)}: {'; '.join(parts)}"


def _folder(varied: Sequence[str], fingerprint: str) -> str:
    """Readable, the same for the same point in every sweep, and safe as a name on every file system."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(varied)).strip("-_.")[:LONGEST_SLUG]
    return f"{slug}_{fingerprint[:8]}" if slug else fingerprint[:8]


def _folders(directory: Path) -> dict[str, str]:
    """The folders of points by the digits of the hash in their names; of several the one that sorts last."""
    matches = [FOLDER.fullmatch(path.name) for path in sorted(directory.iterdir()) if path.is_dir()]
    return {match[1]: match[0] for match in matches if match}
