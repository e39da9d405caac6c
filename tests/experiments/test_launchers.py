"""Hydra's parallel launchers, for real: the same records and results, and nothing lost when a process is killed."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments.records import read
from tests.helpers.distributions import Site

pytestmark = pytest.mark.starts_processes

COMMANDS = Path(sys.executable).parent
# Data without scikit-learn, which takes a second to import in each process.
QUICK = (
    "data=synthetic", "modes=[forward,reverse]", "width=3", "repeats=3", "sample_seconds=1e-4", "hydra.sweep.dir=s",
)  # fmt: skip
DEADLY = """
import os, signal
import numpy as np
from prograd import Elementwise, hookimpl

class Deadly(Elementwise):
    def phi(self, z):
        os.kill(os.getpid(), signal.SIGKILL)
    def dphi(self, z, z_next):
        return np.ones_like(z)

@hookimpl
def prograd_layers():
    return {"deadly": Deadly}
"""


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution whose layer kills the process that it is in."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.plugin("deadly", DEADLY)
    return site.folder


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"} | settings
    command = [str(COMMANDS / "prograd-run"), "-m", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def found(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name.rsplit("_", 1)[0]: dict(read(path)) for path in (folder / "s").glob("*/record.json")}


def check(folder: Path, done: subprocess.CompletedProcess[str], *, statuses: dict[str, str]) -> dict[str, Any]:
    """What a sweep over activations leaves, whatever launched it; returns the records."""
    assert done.returncode == any(status != "complete" for status in statuses.values()), done.stdout + done.stderr
    assert done.stdout.count("the jobs run at the same time and share cores while they are timed") == 1
    records = found(folder)
    assert {name: record["status"] for name, record in records.items()} == statuses
    for record in records.values():
        if record["status"] == "complete":
            assert set(record["median"]) == {"forward", "reverse"}
            assert {blas["threads"] for blas in record["environment"]["blas"]} == {1}
    with (folder / "s" / "summary.csv").open(newline="") as file:
        rows = {f"activation-{row['activation']}": row["status"] for row in csv.DictReader(file)}
    assert rows == statuses
    for name in ("speed_gap.png", "report.html"):
        assert (folder / "s" / name).stat().st_size > 0
    return records


def test_submitit_leaves_what_jobs_in_one_process_leave(tmp_path: Path) -> None:
    done = run(tmp_path, "hydra/launcher=submitit_local", "depth=2", "activation=relu,tanh", "threads=1", *QUICK)
    check(tmp_path, done, statuses={"activation-relu": "complete", "activation-tanh": "complete"})


def test_joblib_leaves_the_same_and_a_killed_process_is_the_only_one_lost(tmp_path: Path, deadly: Path) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    points = ("depth=2", "activation=tanh,deadly", "threads=1", *QUICK)
    done = run(tmp_path, *launcher, *points, PYTHONPATH=str(deadly))
    records = check(tmp_path, done, statuses={"activation-tanh": "complete", "activation-deadly": "failed"})
    error = records["activation-deadly"]["error"]
    said = "expected a result, got none: the job began, and ended without one (TerminatedWorkerError: A worker process"
    assert error["type"] == "NoResult"
    assert error["message"].startswith(said)
    assert f"NoResult: {said}" in (tmp_path / "s" / "report.html").read_text()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed; make test-ray does that")
def test_ray_leaves_the_same(tmp_path: Path) -> None:
    done = run(tmp_path, "hydra/launcher=ray", "depth=2", "activation=relu,tanh", "threads=1", *QUICK)
    check(tmp_path, done, statuses={"activation-relu": "complete", "activation-tanh": "complete"})
