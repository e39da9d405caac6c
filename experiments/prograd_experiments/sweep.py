"""A sweep: every point checked before the first one runs, launched where there is no result yet, then collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape

from prograd_experiments import config as read
from prograd_experiments import environment, locks, records, terminal
from prograd_experiments.charts import FORMATS
from prograd_experiments.collect import collect
from prograd_experiments.config import Config, resolved
from prograd_experiments.errors import RecordError
from prograd_experiments.jobs import experiment_of
from prograd_experiments.launch import Ramp
from prograd_experiments.plan import Point, plan, settle, summed_up, to_run


def sweep(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, jobs: Sequence[Sequence[str]], batch: int | None
) -> None:
    """Runs the jobs that have no result yet, and collects. Ends with exit code 1 when some job gave no result.

    Raises `ConfigError` before anything runs when a point names something unknown, and `BusyError` when another sweep
    is at work in the directory.
    """
    force = read.boolean({"force": config.get("force", False)}, "force")
    asked = config.pictures
    formats = read.several({"pictures": [*asked] if OmegaConf.is_list(asked) else asked}, "pictures", FORMATS)
    points = plan(config, loader, jobs)
    directory = Path(str(config.hydra.sweep.dir))
    directory.mkdir(parents=True, exist_ok=True)
    console = Console()

    def config_of(point: Point) -> Config:
        return resolved(loader.load_sweep_config(config, list(point.overrides)))

    with locks.held(directory):
        stands = settle(points, directory, environment.code())
        records.write_atomically(directory / "multirun.yaml", OmegaConf.to_yaml(config))
        console.print(summed_up(stands, force=force), highlight=False, soft_wrap=True)
        points, waiting = list(stands), to_run(stands, force=force)
        if waiting and not isinstance(launcher, BasicLauncher) and experiment_of(config_of(waiting[0])).timed:
            terminal.warn(console, "the jobs run at the same time and share cores while they are timed")
        ramp = Ramp(launcher, directory, config_of, force)
        try:
            with terminal.progress(console, len(waiting)) as bar:
                for start, some in _batches(waiting, launcher, batch):
                    bar.begin("; ".join(point.label for point in some))
                    ramp.launch(some, start)
                    paths = [directory / point.folder / records.NAME for point in some]
                    bar.end(len(some), ", ".join(terminal.outcome_of(path) for path in paths))
        finally:
            # Whatever ended the sweep early, what was measured is worth a summary.
            whole = _finished(console, directory, points, formats)
    if not whole:
        raise SystemExit(1)


def _finished(console: Console, directory: Path, points: Sequence[Point], formats: Sequence[str]) -> bool:
    """Collects, and says what is missing; whether nothing is."""
    missing = [point for point in points if not (directory / point.folder / records.NAME).exists()]
    whole = False
    if len(missing) < len(points):
        try:
            collected = collect(directory, formats)
        except (OSError, RecordError) as error:
            terminal.warn(console, f"no summary: {error}; `prograd collect {directory}` makes it from the records")
        else:
            terminal.show(console, collected)
            whole = collected.whole and not missing
    if missing:
        first = escape(missing[0].folder)
        text = f"[bold red]no record[/] of {len(missing)} of {len(points)} points, the first: {first}"
        console.print(text, highlight=False)
    return whole


def _batches(points: Sequence[Point], launcher: Launcher, batch: int | None) -> Iterator[tuple[int, Sequence[Point]]]:
    # The basic launcher runs its jobs one by one anyway; between batches of one, the bar can move.
    size = 1 if isinstance(launcher, BasicLauncher) else batch or max(len(points), 1)
    for start in range(0, len(points), size):
        yield start, points[start : start + size]
