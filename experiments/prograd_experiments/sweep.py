"""A sweep: checks every point before the first one runs, launches those without a result, then collects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape

from prograd.commands.refusals import PLACES
from prograd_experiments import arguments, effect, environment, forecast, jobs, records, storage, terminal
from prograd_experiments import config as read
from prograd_experiments.collect import collect
from prograd_experiments.errors import ConfigError, RecordError
from prograd_experiments.folders import Folders, slug
from prograd_experiments.launch import SUBDIR, Point, Ramp
from prograd_experiments.messages import is_refusal, message_of
from prograd_experiments.records import Status
from prograd_experiments.wishes import Wishes

KEY_IN_TEXT = re.compile(r"\$\{([\w.]+)\}")
"""A key whose value a text of a configuration takes over."""

MOST_MISTAKES = 4
"""Lines: one mistake may be in every point, with another value in each."""

REPEATED = (Status.NEW, Status.FAILED, Status.OUTDATED, Status.UNREADABLE, Status.UNFINISHED)
"""In this order: an unfinished point may have killed its process, and must not keep the others from being measured."""


def sweep(  # noqa: PLR0913  (Hydra hands a sweeper its parts one by one)
    config: DictConfig,
    loader: ConfigLoader,
    launcher: Launcher,
    overrides: Sequence[Sequence[str]],
    *,
    batch: object,
    said: Iterable[str] = (),
) -> None:
    """Runs the points that have no result yet, and collects. Ends with exit code 1 if a point gave no result.

    Launchers other than Hydra's basic one get `batch` points at a time, or all if it is None. `said` are the keys that
    the command line sets.

    Raises `ConfigError` before anything runs if a point can't be measured, and `BusyError` if another sweep is at work
    in the directory.
    """
    wishes, size = Wishes.of(config), _batch_size(batch)
    require_own_folders(config)
    points = points_of(config, loader, overrides, said)
    directory, console = Path(str(config.hydra.sweep.dir)), Console()
    if wishes.dry_run:
        forecast.show(console, settle(points, directory, environment.code()), directory, wishes)
        return
    with storage.held(made(directory)):
        statuses = settle(points, directory, environment.code())
        storage.replace(directory / "multirun.yaml", OmegaConf.to_yaml(config))
        try:
            run(statuses, launcher, directory, wishes, size=size, given=len(overrides))
        finally:
            # Results are worth a summary even if the sweep ended early.
            whole = finish(console, directory, list(statuses), wishes.formats)
    if not whole:
        raise SystemExit(1)


def run(  # noqa: PLR0913  (what a sweep has settled)
    statuses: Mapping[Point, Status],
    launcher: Launcher,
    directory: Path,
    wishes: Wishes,
    *,
    size: int | None,
    given: int,
    number: int = 0,
) -> bool:
    """Says what is to be done, and runs the points without a result that counts, the first as job `number`.

    Returns whether no point failed; with `stop_on_failure` the first failure ends the run.
    """
    console = Console()
    for told in dict.fromkeys(jobs.told(point.config) for point in statuses):
        terminal.tell(console, told)
    console.print(summed_up(statuses, wishes, given=given), highlight=False, soft_wrap=True)
    waiting = to_run(statuses, wishes)
    if waiting and not isinstance(launcher, BasicLauncher) and jobs.experiment_of(waiting[0].config).timed:
        shared = "the jobs run at the same time and share cores while they are timed"
        terminal.warn(console, f"{shared}; without hydra/launcher they run one by one")
    ramp, bar, good = Ramp(launcher, directory, wishes.force), terminal.Bar(console, len(waiting)), True
    with bar.live:
        for start, some in _batches(waiting, launcher, size):
            bar.begin("; ".join(point.label for point in some))
            ended = ramp.launch(some, number + start)
            bar.end(ended)
            good = good and set(ended) == {"complete"}
            if wishes.stop_on_failure and not good:
                left = len(waiting) - start - len(some)
                terminal.warn(console, f"stopped at the first failure; {left} point{'s' * (left != 1)} not run")
                break
    return good


def points_of(
    config: DictConfig, loader: ConfigLoader, overrides: Sequence[Sequence[str]], said: Iterable[str] = ()
) -> list[Point]:
    """The distinct points, each checked. Raises one `ConfigError` with what is wrong, a line each, up to four."""
    points: dict[str, Point] = {}
    for point in each_point(config, loader, overrides, said):
        points.setdefault(point.fingerprint, point)
    return list(points.values())


def each_point(
    config: DictConfig,
    loader: ConfigLoader,
    overrides: Sequence[Sequence[str]],
    said: Iterable[str] = (),
    fixed: Collection[str] = (),
) -> list[Point]:
    """As `points_of`, with a point for each list of overrides, whether or not another one is equal.

    All but the `fixed` overrides name a point; by default those are fixed that all points have in common.
    """
    composed: list[tuple[DictConfig, Sequence[str]]] = []
    points: list[Point] = []
    wrong: dict[str, None] = {}
    shared = fixed or set[str]().union(*overrides[:1]).intersection(*overrides)
    for own in overrides:
        if any(override.startswith(f"{SUBDIR}=") for override in own):
            raise _named_by_configuration()
        try:
            point = loader.load_sweep_config(config, list(own))
            raw = jobs.resolved(point)
            checked = jobs.experiment_of(raw).check(raw)
        except Exception as error:
            if not is_refusal(error):
                raise
            wrong[message_of(error)] = None
            continue
        idle = effect.without(raw)
        composed.append((point, idle))
        told = [override for override in own if override not in shared and not effect.sets(override, idle)]
        varied = [override.lstrip("+") for override in told]
        points.append(Point(own, varied, checked, read.config_hash(checked)))
    names = dict.fromkeys(jobs.experiment_of(point.config).name for point in points)
    if len(names) > 1:
        wrong[f"experiment: expected one in a sweep, got {', '.join(names)}; run a sweep for each"] = None
    if wrong:
        more = [f"… and {len(wrong) - MOST_MISTAKES} more such lines"] * (len(wrong) > MOST_MISTAKES)
        raise ConfigError("\n".join([*islice(wrong, MOST_MISTAKES), *more]))
    _require_one_directory(config, set[str]().union(*overrides).difference(shared))
    effect.require(said, composed)
    return points


def settle(points: Sequence[Point], directory: Path, code: str) -> dict[Point, Status]:
    """The points with their folders in the directory, and the status of each."""
    folders = Folders(directory, code)
    taken = [(point, *folders.take(slug(point.varied), point.fingerprint)) for point in points]
    return {replace(point, folder=folder): status for point, folder, status in taken}


def to_run(statuses: Mapping[Point, Status], wishes: Wishes) -> list[Point]:
    """The points without a result that counts; with `force` all points."""
    wanted = (*REPEATED, Status.COMPLETE)
    return [point for status in wanted for point, its in statuses.items() if its is status and not wishes.counts(its)]


def summed_up(statuses: Mapping[Point, Status], wishes: Wishes, *, given: int) -> str:
    """What a sweep is about to do, in one line: `12 points: 8 complete, skipped; 1 failed, repeated; 3 new`.

    `given` counts the points with those that have the same configuration as another.
    """
    counts = {status: list(statuses.values()).count(status) for status in Status}
    ends = dict.fromkeys(Status, ", repeated") | {Status.NEW: "", Status.COMPLETE: ", skipped"}
    if wishes.force:
        ends[Status.COMPLETE] = ", repeated (force=true)"
    if wishes.counts(Status.OUTDATED):
        ends[Status.OUTDATED] = ", kept (keep_other_code=true)"
    ends[Status.UNREADABLE] = ", set aside and repeated"
    order = (Status.COMPLETE, Status.OUTDATED, Status.FAILED, Status.UNFINISHED, Status.UNREADABLE, Status.NEW)
    parts = [f"{counts[status]} {status.value}{ends[status]}" for status in order if counts[status]]
    if given > len(statuses):
        parts.append(f"{given - len(statuses)} the same as another, left out")
    return f"{len(statuses)} point{'s' * (len(statuses) > 1)}: {'; '.join(parts)}"


def require_own_folders(config: DictConfig) -> None:
    """Raises `ConfigError` for settings of Hydra with which points would not have folders of their own."""
    read.in_place(config.hydra.job.chdir)
    if "subdir: ${hydra.job.num}\n" not in OmegaConf.to_yaml(config.hydra.sweep):  # Hydra's default
        raise _named_by_configuration()


def _require_one_directory(config: DictConfig, overrides: Iterable[str]) -> None:
    """Raises `ConfigError` if the directory of the sweep depends on a key that tells its points apart."""
    given: Any = OmegaConf.to_container(OmegaConf.masked_copy(config.hydra.sweep, ["dir"]), resolve=False)
    written = given["dir"]
    for named in KEY_IN_TEXT.findall(str(written)):
        for key in arguments.keys(sorted(overrides)):
            if f"{named}.".startswith(f"{key}.") or key.startswith(f"{named}."):
                raise read.refused("hydra.sweep.dir", f"one directory for all points, not one by {key}", written)


def _named_by_configuration() -> ConfigError:
    return ConfigError(f"{SUBDIR}: expected it unset, since a point's folder is named by its configuration")


def _batch_size(given: object) -> int | None:
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return given
    raise read.refused("hydra.sweeper.max_batch_size", "an integer of at least 1, or null for all", given)


def made(directory: Path) -> Path:
    """The directory, with those above it. Raises `ConfigError` if there can't be one."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise read.refused("hydra.sweep.dir", "a directory", str(directory), "a file has that name") from error
    except PLACES as error:
        hint = f"it can't be made: {error.strerror}"
        raise read.refused("hydra.sweep.dir", "a directory", str(directory), hint) from error
    return directory


def finish(console: Console, directory: Path, points: Sequence[Point], formats: Sequence[str]) -> bool:
    """Collects and says what is missing; returns whether nothing is."""
    missing = [point for point in points if not (directory / point.folder / records.NAME).exists()]
    whole = False
    if len(missing) < len(points) or next(directory.glob(f"*/{records.NAME}"), None) is not None:
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
    # The basic launcher runs its jobs one by one, and the bar can move only between batches.
    size = 1 if isinstance(launcher, BasicLauncher) else batch or max(len(points), 1)
    for start in range(0, len(points), size):
        yield start, points[start : start + size]
