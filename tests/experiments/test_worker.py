"""Layers that take their process down, or leave it changed: each costs its own point, and the others are complete."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments import records
from tests.helpers import processes
from tests.helpers.distributions import Site
from tests.helpers.harmless import HARMLESS

pytestmark = pytest.mark.starts_processes

QUICK = ("depth=2", "width=3", "data=synthetic", "repeats=3", "sample_seconds=1e-4", "hydra.sweep.dir=s")

MISCHIEF = (
    HARMLESS
    + '''
import ctypes, os, shutil, signal, sys, threading, time
from pathlib import Path

def layer(name, act):
    return type(name, (Harmless,), {"act": lambda self: act(), "__module__": __name__, "__doc__": "phi(z) = z."})

def slow():
    Path("begun").touch()
    while not Path(os.environ["GO"]).exists():
        time.sleep(0.01)

def linger():
    """Ends the process as soon as the job's record is complete."""
    def end():
        while not [path for path in Path("s").glob("*linger*/record.json") if '"complete"' in path.read_text()]:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)
    if not [thread for thread in threading.enumerate() if thread.name == "end"]:
        threading.Thread(target=end, name="end", daemon=True).start()

class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def raise_unpicklable():
    raise UnpicklableError("one", "two")

ACTS = {
    "harmless": lambda: None,
    "quit": lambda: os._exit(0),
    "quit_with_3": lambda: os._exit(3),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "change_directory": lambda: os.chdir("/"),
    "limit_low": lambda: sys.setrecursionlimit(len(__import__("inspect").stack(0)) + 5),
    "limit_high": lambda: sys.setrecursionlimit(10**6),
    "close_streams": lambda: os.closerange(0, 3),
    "close_others": lambda: os.closerange(3, 256),
    "remove_folder": lambda: [shutil.rmtree(path.parent) for path in Path("s").glob("*remove_folder*/record.json")],
    "unpicklable": raise_unpicklable,
    "slow": slow,
    "linger": linger,
    "tell": lambda: print(os.getpid(), file=Path("told").open("a")),
}

@hookimpl
def prograd_layers():
    return {name: layer(name.title(), act) for name, act in ACTS.items()}
'''
)

REASONS = {
    "quit": "NoResult: expected a result, got none: the process of the job ended with exit code 0",
    "quit_with_3": "NoResult: expected a result, got none: the process of the job ended with exit code 3",
    "abort": "NoResult: expected a result, got none: the process of the job was killed by SIGABRT",
    "segfault": "NoResult: expected a result, got none: the process of the job was killed by SIGSEGV",
    "killed": "NoResult: expected a result, got none: the process of the job was killed by SIGKILL",
    "change_directory": "ProcessError: job: expected its process as it was, got the working directory / instead of ",
    "limit_low": "RecursionError: maximum recursion depth exceeded",
    "limit_high": "ProcessError: job: expected its process as it was, got a recursion limit of 1000000 instead of ",
    "close_streams": "ProcessError: job: expected its process as it was, got closed file descriptors (0, 1, 2)",
    "close_others": "ProcessError: job: expected its process as it was, got closed file descriptors (",
    "remove_folder": "FileNotFoundError: [Errno 2] No such file or directory: ",
    "unpicklable": "UnpicklableError: one",
}


@pytest.fixture(scope="module")
def mischief(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("site"))
    site.plugin("mischief", MISCHIEF)
    return site.folder


@pytest.fixture
def settings(mischief: Path, tmp_path: Path) -> dict[str, str]:
    given = {"PATH": "", "PYTHONPATH": str(mischief), "GO": str(tmp_path / "go"), "COLUMNS": "300"}
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"} | given


def found(folder: Path) -> dict[str, dict[str, Any]]:
    paths = (folder / "s").glob("*/record.json")
    return {path.parent.name.removeprefix("activation-").rpartition("_")[0]: dict(records.read(path)) for path in paths}


def until(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def test_a_job_that_takes_its_process_down_is_one_failed_point(tmp_path: Path, settings: dict[str, str]) -> None:
    points = [f"activation={','.join(REASONS)},harmless,tanh,relu", *QUICK]
    done = processes.run(["prograd-run", "-m", *points], tmp_path, settings)

    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    results = found(tmp_path)
    assert set(results) == {*REASONS, "harmless", "tanh", "relu"}
    for name, reason in REASONS.items():
        error = results[name]["error"]
        assert results[name]["status"] == "failed"
        assert f"{error['type']}: {error['message']}".startswith(reason), name
        assert reason in " ".join(done.stdout.split()), name
    for name in ("harmless", "tanh", "relu"):
        assert results[name]["status"] == "complete"
    assert "mischief" in results["segfault"]["error"]["traceback"]  # where the signal hit
    with (tmp_path / "s" / "summary.csv").open(newline="") as file:
        assert Counter(row["status"] for row in csv.DictReader(file)) == {"complete": 3, "failed": len(REASONS)}
    assert not list(tmp_path.rglob(".lock"))


def test_jobs_share_one_process_and_it_ends_with_the_sweep(tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "tmp").mkdir()
    command = ["prograd-run", "-m", "activation=tell", "seed=0,1,2", *QUICK]
    done = processes.run(command, tmp_path, settings | {"TMPDIR": str(tmp_path / "tmp")})
    assert (done.returncode, done.stderr) == (0, "")
    (worker,) = set((tmp_path / "told").read_text().split())
    assert not Path(f"/proc/{worker}").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_sweep_ends_its_worker_and_makes_its_summary(
    tmp_path: Path, settings: dict[str, str], number: signal.Signals, code: int, word: str
) -> None:
    command = ["prograd-run", "-m", "activation=harmless,slow,tanh", *QUICK]
    out = tmp_path / "out"
    sweep = processes.Started(command, tmp_path, settings, str(out), str(tmp_path / "err"))
    until((tmp_path / "begun").exists)
    os.kill(sweep.pid, number)
    assert sweep.wait(60) == code
    results = found(tmp_path)
    assert {name: result["status"] for name, result in results.items()} == {"harmless": "complete", "slow": "failed"}
    assert results["slow"]["error"]["type"] == "Interrupt"
    assert "Interrupt" in out.read_text()
    assert "no record of 1 of 3 points" in out.read_text()
    assert (tmp_path / "err").read_text() == f"prograd-run: {word}\n"
    assert (tmp_path / "s" / "summary.csv").exists()
    assert not list(tmp_path.rglob(".lock"))


def test_a_worker_does_not_outlive_a_sweep_that_is_killed(tmp_path: Path, settings: dict[str, str]) -> None:
    command = ["prograd-run", "-m", "activation=slow", *QUICK]
    sweep = processes.begin(command, tmp_path, settings)
    until((tmp_path / "begun").exists)
    (lock,) = (tmp_path / "s").glob("*/.lock")
    worker = int(lock.read_text().split()[1])
    assert worker != sweep.pid
    sweep.kill()
    sweep.wait()
    until(lambda: not Path(f"/proc/{worker}").exists())


def test_a_sweep_interrupted_before_its_first_job_begins_says_so_and_no_more(tmp_path: Path, settings) -> None:
    command = ["prograd-run", "-m", "activation=slow", *QUICK]
    sweep = processes.Started(command, tmp_path, settings, str(tmp_path / "out"), str(tmp_path / "err"))
    until(lambda: list(tmp_path.glob("s/*/.hydra/overrides.yaml")))
    os.kill(sweep.pid, signal.SIGINT)
    assert sweep.wait(60) == 130
    assert (tmp_path / "err").read_text() == "prograd-run: interrupted\n"
    assert not (tmp_path / "begun").exists()


def test_a_worker_that_ends_after_a_job_costs_no_point(tmp_path: Path, settings: dict[str, str]) -> None:
    command = ["prograd-run", "-m", "activation=linger,harmless", *QUICK]
    done = processes.run(command, tmp_path, settings)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_basic_launcher_runs_jobs_in_the_process_of_the_sweep(tmp_path: Path, settings: dict[str, str]) -> None:
    command = ["prograd-run", "-m", "activation=quit", "hydra/launcher=basic", *QUICK]
    assert processes.run(command, tmp_path, settings).returncode == 0
    assert {result["status"] for result in found(tmp_path).values()} == {"running"}


@pytest.mark.parametrize("how", [["-m", "prograd_experiments.run"], ["script.py"]])
def test_the_worker_does_not_run_the_main_module_again(tmp_path: Path, how: list[str]) -> None:
    (tmp_path / "script.py").write_text("from prograd_experiments.run import main\nmain()\n")  # without a guard
    command = [sys.executable, *how, "-m", *QUICK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(found(tmp_path)) == 1
