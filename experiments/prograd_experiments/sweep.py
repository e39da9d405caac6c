"""A sweep: every point checked before the first one runs, then launched, then collected from the records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from prograd_experiments import records, terminal
from prograd_experiments.collect import collect
from prograd_experiments.config import config_hash, resolved
from prograd_experiments.errors import ConfigError
from prograd_experiments.jobs import experiment_of

SUBDIR = "hydra.sweep.subdir"
LONGEST_SLUG = 80


@dataclass(frozen=True)
class Point:
    """One job: its overrides, what tells it apart, and the folder of its record below the sweep's directory."""

    overrides: tuple[str, ...]
    label: str
    folder: str


def sweep(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, jobs: Sequence[Sequence[str]], batch: int | None
) -> None:
    """Runs the jobs and collects what they left. Ends the process with exit code 1 when some job gave no result.

    Raises `ConfigError` before anything runs when a point names something unknown.
    """
    points = plan(config, loader, jobs)
    directory = Path(str(config.hydra.sweep.dir))
    directory.mkdir(parents=True, exist_ok=True)
    records.write_atomically(directory / "multirun.yaml", OmegaConf.to_yaml(config))
    console = Console()
    try:
        with terminal.progress(console, len(points)) as bar:
            for start, some in _batches(points, launcher, batch):
                bar.begin("; ".join(point.label for point in some))
                done = launcher.launch([_with_folder(point) for point in some], initial_job_idx=start)
                paths = [directory / point.folder / records.NAME for point in some]
                bar.end(len(some), ", ".join(terminal.outcome_of(path) for path in paths))
                for job in done:
                    _ = job.return_value  # raises what the launcher could not: a job leaves no exception of its own
    finally:
        # Whatever ended the sweep early, what was measured is worth a summary.
        missing = [point for point in points if not (directory / point.folder / records.NAME).exists()]
        whole = len(missing) < len(points) and _collected(console, directory) and not missing
        if missing:
            text = f"[bold red]no record[/] of {len(missing)} of {len(points)} points, the first: {missing[0].folder}"
            console.print(text, highlight=False)
    if not whole:
        raise SystemExit(1)


def plan(config: DictConfig, loader: ConfigLoader, jobs: Sequence[Sequence[str]]) -> list[Point]:
    """The points, each checked; two that mean the same are one. Raises `ConfigError` with all that is wrong."""
    points: dict[str, Point] = {}
    wrong: dict[str, None] = {}
    varied = {override for job in jobs for override in job if any(override not in other for other in jobs)}
    for overrides in jobs:
        own = resolved(loader.load_sweep_config(config, list(overrides)))
        try:
            fingerprint = config_hash(experiment_of(own).check(own))
        except ConfigError as error:
            wrong[str(error)] = None
            continue
        apart = [override for override in overrides if override in varied]
        label = " ".join(apart).replace("\\", "") or "the only point"  # Hydra escapes what its grammar has a use for
        points.setdefault(fingerprint, Point(tuple(overrides), label, _folder(apart, fingerprint)))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return list(points.values())


def _folder(varied: Sequence[str], fingerprint: str) -> str:
    """Readable, the same for the same point in every sweep, and safe as a name on every file system."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(varied)).strip("-_.")[:LONGEST_SLUG]
    return f"{slug}_{fingerprint[:8]}" if slug else fingerprint[:8]


def _with_folder(point: Point) -> list[str]:
    chosen = any(override.startswith(f"{SUBDIR}=") for override in point.overrides)
    return [*point.overrides] if chosen else [*point.overrides, f"{SUBDIR}={point.folder}"]


def _batches(points: Sequence[Point], launcher: Launcher, batch: int | None) -> Iterator[tuple[int, Sequence[Point]]]:
    # The basic launcher runs its jobs one by one anyway; between batches of one, the bar can move.
    size = 1 if isinstance(launcher, BasicLauncher) else batch or max(len(points), 1)
    for start in range(0, len(points), size):
        yield start, points[start : start + size]


def _collected(console: Console, directory: Path) -> bool:
    collected = collect(directory)
    terminal.show(console, collected)
    return collected.whole
