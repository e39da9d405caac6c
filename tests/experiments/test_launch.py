"""Launching points: their folders keep their names, and a job without a result says what is known of its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from prograd_experiments import config as read
from prograd_experiments import jobs, records, run
from prograd_experiments.errors import LaunchError
from prograd_experiments.launch import Point, Ramp
from prograd_experiments.speed_gap.experiment import SpeedGap
from tests.helpers import processes
from tests.helpers.configs import CONFIG

ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}
QUICK = ("depth=2", "width=2", "repeats=3", "sample_seconds=1e-4", "data=synthetic")

Overrides = Sequence[Sequence[str]]


class Launching(Launcher):
    """Launches by calling a function of the jobs' folders."""

    def __init__(self, launched: Callable[[list[object]], list[JobReturn]]) -> None:
        self.launched = launched

    def setup(self, **_: object) -> None:
        pass

    def launch(self, job_overrides: Overrides, initial_job_idx: int) -> list[JobReturn]:
        del initial_job_idx
        parser = OverridesParser.create()
        return self.launched([parser.parse_override(own[-1]).value() for own in job_overrides])


def returned(result: object) -> JobReturn:
    job = JobReturn(status=JobStatus.COMPLETED)
    job.return_value = result
    return job


def point(folder: str) -> Point:
    checked = SpeedGap().check(CONFIG)
    return Point([], [], checked, read.config_hash(checked), folder)


def error(folder: Path) -> dict[str, str]:
    found: dict[str, str] = records.read(folder / records.NAME)["error"]
    return found


@pytest.mark.parametrize("folder", ["12345678", "1234e567", "00000012", "1_2345678", "4e5_12345678"])
def test_a_folder_that_reads_as_a_number_keeps_its_name(tmp_path: Path, folder: str) -> None:
    seen: list[object] = []

    def launched(folders: list[object]) -> list[JobReturn]:
        seen.extend(folders)
        return [returned("complete")]

    assert Ramp(Launching(launched), tmp_path, force=False).launch([point(folder)], 0) == ["complete"]
    assert seen == [folder]


def raising(*_: object) -> list[JobReturn]:
    raise ValueError("no handler 'file'\nand more")


@pytest.mark.usefixtures("no_git")
def test_a_job_that_did_not_begin_is_recorded_with_the_launchers_error(tmp_path: Path) -> None:
    assert Ramp(Launching(raising), tmp_path, force=False).launch([point("p")], 0) == ["failed"]
    found = error(tmp_path / "p")
    assert found["type"] == "NoResult"
    assert found["message"] == ("expected a result, got none: the job did not begin (ValueError: no handler 'file')")
    assert "and more" in found["traceback"]


@pytest.mark.usefixtures("no_git")
def test_a_job_that_began_and_vanished_says_so(tmp_path: Path) -> None:
    def vanishing(folders: list[object]) -> list[JobReturn]:
        records.write(tmp_path / str(folders[0]), jobs.begun(SpeedGap().check(CONFIG), tmp_path))
        raise RuntimeError

    assert Ramp(Launching(vanishing), tmp_path, force=False).launch([point("p")], 0) == ["failed"]
    assert error(tmp_path / "p")["message"] == (
        "expected a result, got none: the job began, and ended without one (RuntimeError)"
    )


@pytest.mark.usefixtures("no_git")
@pytest.mark.parametrize("results", [[], [returned(None)]])
def test_a_launcher_that_returns_without_a_result_is_not_guessed_about(
    tmp_path: Path, results: list[JobReturn]
) -> None:
    Ramp(Launching(lambda _: results), tmp_path, force=False).launch([point("p")], 0)
    assert error(tmp_path / "p")["message"] == (
        "expected a result, got none: the job did not begin (the launcher gives no reason)"
    )


@pytest.mark.usefixtures("no_git")
def test_an_error_of_the_job_itself_is_its_reason(tmp_path: Path) -> None:
    job = JobReturn(status=JobStatus.FAILED)
    job.return_value = KeyError("depth")
    Ramp(Launching(lambda _: [job]), tmp_path, force=False).launch([point("p")], 0)
    assert error(tmp_path / "p")["type"] == "KeyError"


@pytest.mark.usefixtures("no_git")
def test_a_launcher_that_begins_none_of_its_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        LaunchError, match=r"hydra\.launcher: expected jobs to begin, got ValueError: no handler 'file'$"
    ):
        Ramp(Launching(raising), tmp_path, force=False).launch([point("p"), point("q")], 0)
    assert not list(tmp_path.glob("*/record.json"))


@pytest.mark.starts_processes
def test_a_sweep_of_one_point_whose_hash_reads_as_a_number_runs(tmp_path: Path) -> None:
    run.store_choices()
    with hydra.initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        raw = read.resolved(hydra.compose("config", list(QUICK)))
    hashes = {seed: read.config_hash(SpeedGap().check(raw | {"seed": seed})) for seed in range(500)}
    seed = next(seed for seed, digits in hashes.items() if digits[:8].isdecimal())

    command = ["prograd-run", "-m", *QUICK, f"seed={seed}", "hydra.sweep.dir=s"]
    done = processes.run(command, tmp_path, ENVIRONMENT)

    assert done.returncode == 0, done.stdout
    assert [path.parent.name for path in tmp_path.glob("s/*/record.json")] == [hashes[seed][:8]]


@pytest.mark.starts_processes
@pytest.mark.parametrize("logging", ["disabled", "none", "stdout"])
def test_jobs_run_without_hydras_logging(tmp_path: Path, logging: str) -> None:
    command = ["prograd-run", *QUICK, f"hydra/job_logging={logging}", f"hydra/hydra_logging={logging}"]
    command = [word for word in command if word != "hydra/hydra_logging=stdout"]  # Hydra has none of that name
    done = processes.run(command, tmp_path, ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
