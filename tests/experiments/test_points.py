"""Points as one wants them: listed, dry runs, the end at the first failure, results of other code, any sweeper."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from prograd_experiments import arguments, listed, records
from prograd_experiments.errors import ConfigError
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.records import Status
from prograd_experiments.speed_gap.experiment import SpeedGap
from prograd_experiments.training.experiment import Training
from prograd_experiments.wishes import Wishes
from tests.helpers import processes
from tests.helpers.configs import CONFIG, peers_config, train_config

QUICK = ("data=iris", "repeats=3", "sample_seconds=1e-4", "hydra.sweep.dir=s")


def test_a_space_is_looked_at_in_its_corners() -> None:
    words = ("depth=range(1,9,3)", "rate=interval(0.1,0.5)", "data=iris", "loss=choice(a,b)")
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        found = list(arguments.corners({"depth": 4, "width": "3,5"}, words, GlobalHydra.instance().config_loader()))
    assert len(found) == len({*map(tuple, found)}) == 16
    assert {word for own in found for word in own} == {
        *("depth=1", "depth=7", "width=3", "width=5", "rate=0.1", "rate=0.5", "data=iris", "loss=a", "loss=b"),
    }


def jobs(*words: str, params: dict[str, str] | None = None) -> list[list[str]]:
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        return arguments.jobs(params or {}, arguments.arranged(words), GlobalHydra.instance().config_loader())


@pytest.mark.parametrize("sign", ["", "+"])
def test_listed_points_stand_beside_products(sign: str) -> None:
    words = (f"{sign}points=[{{depth: 2, width: 64}}, {{depth: 4, width: 32}}]", "seed=0,1", "data=iris")
    assert jobs(*words) == [
        ["seed=0", "data=iris", "depth=2", "width=64"],
        ["seed=0", "data=iris", "depth=4", "width=32"],
        ["seed=1", "data=iris", "depth=2", "width=64"],
        ["seed=1", "data=iris", "depth=4", "width=32"],
    ]


def test_listed_keys_replace_the_experiments_own_sweep() -> None:
    params = {"depth": "2,4,8", "width": "8,16"}
    assert jobs("points=[{depth: 3}]", params=params) == [["width=8", "depth=3"], ["width=16", "depth=3"]]
    assert len(jobs("points=null", params=params)) == 6


def test_points_from_a_file_are_written_as_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        'depth, width, network.layer\n2,64,\n\n4,32,"{name: affine, bias: false}"\n', encoding="utf-8-sig"
    )
    assert jobs(f"points={tmp_path / 'p.csv'}") == [
        ["depth=2", "width=64"],
        ["depth=4", "width=32", "network.layer={name: affine, bias: false}"],
    ]


def test_values_of_listed_points_keep_their_types() -> None:
    point = {"a": "it's", "b": True, "c": None, "d": [1, "x y"], "e": {"name": "elu", "alpha": 0.5}, "f": "null"}
    (written,) = listed.as_overrides(listed.points([point]))
    parser = arguments.OverridesParser.create()
    assert {o.key_or_group: o.value() for o in parser.parse_overrides(written)} == point | {"f": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depth,depth\n1,2\n", "expected a heading of different keys, got depth, depth"),
        ("depth,width\n1\n", "line 2: expected 2 cells, got 1; a value with a comma needs quotes"),
        ('depth\n"1,2"\n', r"point 1: expected one value of depth, got 1,2; the command line may sweep over it"),
        ("force\ntrue\n", "point 1: expected keys of what is measured, got force"),
        ("depth\n{\n", "point 1: expected KEY=VALUE as on the command line, got depth={"),
        ("depth\n", "points: expected at least one point, got none"),
        ("", "points: expected at least one point|expected a heading"),
    ],
)
def test_a_file_that_lists_no_points_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        listed.points(str(tmp_path / "p.csv"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("points=nowhere.csv",), "points: expected a CSV file .*, got nowhere.csv; No such file"),
        (("points=3",), "points: expected a CSV file .*, got 3"),
        (("points=[]",), "points: expected at least one point, got none"),
        (("points=[{}]",), "points: expected a CSV file"),
        (("points=[{depth: 2}],[{depth: 3}]",), "points: expected one value for the whole sweep"),
        (("points=[{depth: 2}]", "depth=3"), "points: expected points without depth, which the command line sets"),
    ],
)
def test_points_that_can_not_be_are_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        jobs(*words)


@pytest.mark.parametrize(
    ("force", "keep", "counting"),
    [
        (False, False, {Status.COMPLETE}),
        (False, True, {Status.COMPLETE, Status.OUTDATED}),
        (True, True, set[Status]()),
    ],
)
def test_which_records_count(force: bool, keep: bool, counting: set[Status]) -> None:
    wishes = Wishes(force, ["png"], dry_run=False, stop_on_failure=False, keep_other_code=keep, objective=None)
    assert {status for status in Status if wishes.counts(status)} == counting


def test_predicted_times_follow_the_repeats_and_have_bounds() -> None:
    config = SpeedGap().check(CONFIG | {"sample_seconds": 0.01, "max_seconds": 30})
    few, many = (SpeedGap().predicted_seconds({**config, "repeats": repeats}) for repeats in (10, 110))
    assert many - few == pytest.approx(100 * 2 * 0.01)  # 100 turns of two modes, each as long as a timing is at least
    bounded = SpeedGap().predicted_seconds({**config, "repeats": 10**6})
    assert bounded == pytest.approx(30, abs=0.1)
    assert Training().predicted_seconds(train_config(epochs=8)) == pytest.approx(
        4 * Training().predicted_seconds(train_config(epochs=2))
    )
    assert Peers().predicted_seconds(peers_config("reverse:2:4:1")) == pytest.approx(3 * (2 + 3) * 1.1e-3)


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "PATH": ""} | settings
    return processes.run(["prograd-run", "-m", *words], folder, os.environ | given)


def statuses(folder: Path) -> list[str]:
    return sorted(records.read(path)["status"] for path in folder.glob("*/record.json"))


@pytest.mark.starts_processes
def test_a_dry_run_prints_every_point_with_its_standing_and_runs_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, "points=[{depth: 2, width: 4}]", *QUICK)
    assert first.returncode == 0, first.stderr
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    words = ("points=[{depth: 2, width: 4},{depth: 3, width: 5}]", "batch=1,1000", *QUICK, "dry_run=true")
    done = run(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("batch=")]
    assert [" ".join(line[:4]) for line in lines] == [
        "batch=1 depth=2 width=4 complete",
        "batch=1 depth=3 width=5 to",
        "batch=1000 depth=2 width=4 to",
        "batch=1000 depth=3 width=5 to",
    ]
    assert "it will fail: batch: expected at most the 150 samples of the data set iris, got 1000" in done.stdout
    assert "3 to run, about " in done.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert run(tmp_path, "depth=2", "width=4", "dry_run=true", "hydra.sweep.dir=nowhere").returncode == 0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.starts_processes
def test_a_sweep_stops_at_the_first_failure_on_request(tmp_path: Path) -> None:
    done = run(tmp_path, "depth=2", "width=4", "batch=1,1000,2,3", *QUICK, "stop_on_failure=true")
    assert done.returncode == 1
    assert "stopped at the first failure; 2 points not run" in done.stdout
    assert statuses(tmp_path / "s") == ["complete", "failed"]
    assert (tmp_path / "s" / "report.html").exists()


@pytest.mark.starts_processes
def test_results_of_other_code_are_kept_at_the_users_word(tmp_path: Path) -> None:
    words = ("depth=2", "width=4,5", *QUICK)
    assert run(tmp_path, *words).returncode == 0
    for path in tmp_path.glob("s/*/record.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"code": "another"}))
    before = {path: path.read_bytes() for path in tmp_path.glob("s/*/record.json")}
    kept = run(tmp_path, *words, "keep_other_code=true")
    assert "2 points: 2 by other code, kept (keep_other_code=true)" in kept.stdout
    assert {path: path.read_bytes() for path in before} == before
    again = run(tmp_path, *words)
    assert "2 points: 2 by other code, repeated" in again.stdout


SEARCH = '''
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

NODE = {"_target_": "hydra_plugins.search.SearchSweeper", "trials": 3}
ConfigStore.instance().store(group="hydra/sweeper", name="search", node=NODE)


class Inside:
    """What holds the launcher, as in Optuna's sweeper."""


class SearchSweeper(Sweeper):
    """Doubles the width as long as the value grows."""

    def __init__(self, trials):
        self.trials, self.inside = trials, Inside()

    def setup(self, *, hydra_context, task_function, config):
        self.inside.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        width, best = 2, None
        for number in range(self.trials):
            (job,) = self.inside.launcher.launch([[*arguments, f"width={width}"]], initial_job_idx=number)
            best = job.return_value if best is None else max(best, job.return_value)
            width *= 2
        print("best", best)
'''


@pytest.fixture
def search(tmp_path: Path) -> str:
    """A folder with a sweeper that chooses its next point by the value of the last."""
    site = tmp_path / "site" / "hydra_plugins"
    site.mkdir(parents=True)
    (site / "search.py").write_text(SEARCH)
    return str(site.parent)


@pytest.mark.starts_processes
def test_a_sweeper_that_searches_has_the_same_checks_resumption_and_summary(tmp_path: Path, search: str) -> None:
    words = ("hydra/sweeper=search", "depth=2", *QUICK, "objective=problem.parameters")
    done = run(tmp_path, *words, PYTHONPATH=search)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "best 67.0" in done.stdout  # 4 inputs, 8 outputs, 3 classes
    with (tmp_path / "s" / "summary.csv").open() as file:
        assert [row["width"] for row in csv.DictReader(file)] == ["2", "4", "8"]
    before = {path: path.read_bytes() for path in tmp_path.glob("s/*/record.json")}
    again = run(tmp_path, *words, "hydra.sweeper.trials=4", PYTHONPATH=search)
    assert again.stdout.count("1 point: 1 complete, skipped") == 3
    assert "best 131.0" in again.stdout
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("hydra/sweeper=basic depth=2,0 width=4", "depth: expected an integer of at least 1, got 0"),
        ("hydra/sweeper=basic depth=2 width=4 dry_run=true", "dry_run: expected hydra/sweeper=prograd with it, got tr"),
        ("hydra/sweeper=basic points=[{depth:2}]", "points: expected hydra/sweeper=prograd with it, got"),
        ("hydra/sweeper=basic depth=2 width=4 hydra.sweep.subdir=a", "hydra.sweep.subdir: expected it unset"),
        (
            "hydra/sweeper=basic depth=1 width=4,5",
            "width: expected no value, since nothing depends on it with network=",
        ),
        ("objective=3 depth=2 width=4", "objective: expected the path of a number in a record"),
    ],
)
def test_other_sweepers_are_refused_what_prograds_own_is(tmp_path: Path, words: str, message: str) -> None:
    done = run(tmp_path, *words.split(), *QUICK)
    assert done.stderr.startswith(f"prograd-run: {message}")
    assert done.returncode == 2
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.starts_processes
def test_hydras_basic_sweeper_skips_what_is_complete_and_ends_with_a_summary(tmp_path: Path) -> None:
    words: tuple[Any, ...] = ("hydra/sweeper=basic", "depth=1,2", "width=4,5", *QUICK)
    first, again = run(tmp_path, *words), run(tmp_path, *words)
    assert (first.returncode, first.stderr) == (0, "")
    assert "3 points: 3 new; 1 the same as another, left out" in first.stdout
    assert "3 points: 3 complete, skipped" in again.stdout
    assert (tmp_path / "s" / "speed_gap.png").exists()
    failing = run(tmp_path, "hydra/sweeper=basic", "depth=2", "width=4", "batch=1000", *QUICK)
    assert failing.returncode == 1
    assert "at most the 150 samples" in failing.stdout
