"""The points of the comparison: as a user writes them, as grids name them, and what is refused beforehand."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from prograd_experiments.errors import ConfigError
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.peers.workload import Workload
from tests.helpers.configs import PEERS_CONFIG


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("reverse:4:64:32", Workload("reverse", 4, 64, 32, "float64")),
        ("per_sample:2:16:1:float32", Workload("per_sample", 2, 16, 1, "float32")),
    ],
)
def test_a_point_is_written_in_one_word_or_key_by_key(point: str, expected: Workload) -> None:
    assert Workload.of(PEERS_CONFIG | {"point": point}) == expected
    checked = Peers().check(PEERS_CONFIG | {"point": point})
    assert checked == Peers().check(PEERS_CONFIG | expected.as_config())
    assert Peers().check(checked) == checked
    assert "point" not in checked


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"point": "reverse:4:64"}, "task:depth:width:batch"),
        ({"point": "reverse:4:0:1"}, "task:depth:width:batch"),
        ({"point": "revers:4:64:1"}, "did you mean reverse"),
        ({"point": "reverse:4:64:1:float16"}, "got float16"),
        ({"point": "reverse:4:64:1", "depth": 3}, "grid=product"),
        ({"point": None, "task": "reverse", "depth": 3}, "width: expected an integer of at least 1, got null"),
        ({"point": "reverse:4:64:1", "data": {"name": "iris"}}, "data: expected"),
        ({"point": "reverse:4:64:1", "engines": ["jaxx"]}, "did you mean jax"),
        (
            {"point": "reverse:4:64:1", "limit_seconds": 0},
            "limit_seconds: expected a finite number greater than 0, got 0",
        ),
        ({"point": "reverse:4:64:1", "repeats": 2}, "at least 3"),
    ],
)
def test_what_can_not_be_measured_is_refused_beforehand(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Peers().check(PEERS_CONFIG | keys)


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("overrides", "jobs"), [("grid=short", 46), ("grid=full", 7 * 64 * 2), ("grid=product depth=2,4", 2)]
)
def test_the_grids_name_points_that_can_be_measured(overrides: str, jobs: int, tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from prograd_experiments import sweep, run
        def planned(config, loader, launcher, jobs, *, batch, said):
            points = jobs if len(jobs) > 99 else sweep.points_of(config, loader, jobs)
            print(len(points))
        sweep.sweep = planned
        run.main()
        """
    )
    command = [sys.executable, "-c", code, "experiment=peers", *overrides.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == jobs


def test_the_extra_names_one_torch_and_everything_in_it_is_pinned() -> None:
    root = Path(__file__).parents[2]
    peers = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["peers"]
    pinned = dict(line.split("==") for line in (root / "constraints.txt").read_text().splitlines() if "==" in line)
    assert "torch==2.13.0" in peers
    assert all(requirement.specifier.contains(pinned[requirement.name]) for requirement in map(Requirement, peers))


def test_the_experiment_says_what_its_times_are_of() -> None:
    assert Peers.timed == "one call"
