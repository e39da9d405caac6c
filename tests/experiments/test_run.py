"""prograd-run as a user runs it: a process of its own, in an empty folder."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from hydra.errors import HydraException

from prograd_experiments import run as application
from prograd_experiments.messages import message_of
from prograd_experiments.records import read
from tests.helpers import processes

COMMANDS = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}
QUICK = ("repeats=3", "sample_seconds=1e-4")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return processes.run(command, folder, ENVIRONMENT)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A sweep of four points as the contract writes it, smaller, and its directory."""
    folder = tmp_path_factory.mktemp("sweep")
    sizes = ("depth=2,3", "width=4,8", "network=mlp", "data=digits", "hydra.sweep.dir=results")
    command = [str(COMMANDS / "prograd-run"), "-m", "experiment=speed_gap", *sizes, *QUICK]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False
    )
    return done, folder / "results"


@pytest.mark.starts_processes
def test_a_sweep_leaves_a_record_for_each_point_and_the_results(sweep) -> None:
    done, directory = sweep
    assert done.returncode == 0, done.stderr
    made = sorted(directory.glob("*/record.json"))
    assert len(made) == 4
    for path in made:
        record = read(path)
        assert record["status"] == "complete"
        assert record["gap"] > 0
        assert record["environment"]["packages"]["prograd"]
    with (directory / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["depth"], row["width"]) for row in rows] == [("2", "4"), ("2", "8"), ("3", "4"), ("3", "8")]
    assert (directory / "speed_gap.png").read_bytes().startswith(b"\x89PNG")
    assert "</html>" in (directory / "report.html").read_text()


@pytest.mark.starts_processes
def test_the_terminal_shows_answer_table_and_files_without_chatter(sweep) -> None:
    done, _ = sweep
    assert "[4/4] depth=3 width=8: complete" in done.stdout
    assert "On digits (1 sample), forward mode takes" in done.stdout
    assert "predicted" in done.stdout
    for name in ("summary.csv", "speed_gap.png", "report.html"):
        assert f"  results/{name}" in done.stdout.splitlines()
    assert "HYDRA" not in done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.starts_processes
def test_collect_makes_the_same_summary_from_the_records_alone(sweep, tmp_path: Path) -> None:
    _, directory = sweep
    copy = shutil.copytree(directory, tmp_path / "copy")
    for name in ("summary.csv", "speed_gap.png", "report.html", "multirun.yaml"):
        (copy / name).unlink()

    done = run(tmp_path, "prograd", "collect", "copy", "--format", "png", "--format", "pdf")

    assert done.returncode == 0, done.stderr
    assert (copy / "speed_gap.pdf").exists()
    assert (copy / "summary.csv").read_bytes() == (directory / "summary.csv").read_bytes()
    assert (copy / "speed_gap.png").exists()
    assert (copy / "report.html").exists()


@pytest.mark.starts_processes
def test_collect_says_what_is_wrong(sweep, tmp_path: Path) -> None:
    _, directory = sweep
    copy = shutil.copytree(directory, tmp_path / "copy")
    broken = min(copy.glob("*/record.json"))
    broken.write_text("{")
    partly = run(tmp_path, "prograd", "collect", "copy")
    nothing = run(tmp_path, "prograd", "collect", "nowhere")

    assert partly.returncode == 1
    assert "broken JSON" in " ".join(partly.stdout.split())
    assert nothing.returncode == 2
    assert nothing.stderr == "prograd collect: nowhere: expected a directory with records, got no such directory\n"


@pytest.mark.starts_processes
def test_a_failed_job_leaves_its_traceback_and_the_others_go_on(tmp_path: Path) -> None:
    points = ("depth=2", "width=4", "data=iris", "batch=1000,1")
    done = run(tmp_path, "prograd-run", "-m", *points, "hydra.sweep.dir=s", "pictures=[svg,pdf]", *QUICK)
    assert done.returncode == 1
    assert {path.name for path in (tmp_path / "s").glob("speed_gap.*")} == {"speed_gap.svg", "speed_gap.pdf"}
    found = {record["status"]: record for record in map(read, (tmp_path / "s").glob("*/record.json"))}
    assert set(found) == {"complete", "failed"}
    assert "at most the 150 samples of the data set iris" in found["failed"]["error"]["traceback"]
    assert "batch: expected at most the 150 samples of the data set iris, got 1000" in " ".join(done.stdout.split())
    assert (tmp_path / "s" / "report.html").exists()


@pytest.mark.starts_processes
def test_names_are_checked_before_anything_runs(tmp_path: Path) -> None:
    bad = ("depth=2,0", "width=4", "activation=tanh,tanhh", "modes=[forward],[backward]")
    done = run(tmp_path, "prograd-run", "-m", *bad)
    assert done.returncode == 2
    assert done.stdout == ""
    said = sorted(re.sub(r"one of .*, got", "one of …, got", line) for line in done.stderr.splitlines())
    assert said == [
        "prograd-run: activation: expected one of …, got tanhh; did you mean tanh?",
        "prograd-run: depth: expected an integer of at least 1, got 0",
        "prograd-run: modes: expected one of …, got backward",
    ]
    assert "one of elu, gelu, leaky_relu, relu, sigmoid" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.starts_processes
def test_a_poster_in_an_unknown_format_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "prograd-run", "-m", "depth=2", "width=4", "pictures=gif", *QUICK)
    assert done.returncode == 2
    assert "pictures: expected one of png, svg, pdf, got gif" in done.stderr
    assert "png, svg, pdf" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.starts_processes
def test_a_job_that_is_refused_says_why_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "prograd-run", "depth=two")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "prograd-run: depth: expected an integer of at least 1, got two\n"
    assert list(tmp_path.rglob("record.json")) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data=digit", r"data: expected one of breast_cancer, csv, diabetes, .*, got digit; did you mean digits\?"),
        ("loss=mse", "loss: expected one of by_classes, cross_entropy, default, .*, got mse"),
        ("dpth=3", r"configuration: expected the keys .*, got dpth; did you mean depth or width\?"),
        ("loss.delta=3", "loss=default: expected the keys name, got delta"),
    ],
)
def test_what_hydra_refuses_is_said_in_the_same_words(override: str, message: str) -> None:
    application.store_choices()
    configuration = hydra.initialize_config_module("prograd_experiments.conf", version_base="1.3")
    with configuration, pytest.raises(HydraException) as raised:
        hydra.compose("config", [override])
    assert re.fullmatch(message, message_of(raised.value))


@pytest.mark.starts_processes
def test_one_job_shows_its_table_and_record(tmp_path: Path) -> None:
    done = run(tmp_path, "prograd-run", "depth=2", "width=4", "loss=huber", "loss.delta=2", *QUICK)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("record.json")
    assert str(path) in done.stdout
    assert read(path)["config"]["loss"] == {"name": "huber", "delta": 2}
    assert json.loads(path.read_text())["config"]["width"] == 4


@pytest.mark.starts_processes
def test_help_lists_what_is_installed(tmp_path: Path) -> None:
    done = run(tmp_path, "prograd-run", "--help")
    assert done.returncode == 0
    for text in ("softmax_cross_entropy", "leaky_relu", "speed_gap", "breast_cancer", "hydra.sweep.dir=DIR"):
        assert text in done.stdout
