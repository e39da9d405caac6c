"""How good auto's choices are: points as words and key by key, jobs that are left out, and what the answer says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from prograd_experiments import jobs, networks, run
from prograd_experiments.auto.experiment import Auto
from prograd_experiments.collect import collect
from prograd_experiments.config import config_hash, resolved
from prograd_experiments.errors import ConfigError
from prograd_experiments.records import SCHEMA
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import lay_out

QUICK = ("repeats=3", "sample_seconds=1e-5")
GRID = Path(networks.__file__).parent / "conf" / "experiment" / "auto.yaml"


def composed(*overrides: str) -> dict[str, Any]:
    run.store_choices()
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        return resolved(compose("config", ["experiment=auto", *overrides]))


@pytest.mark.parametrize(
    ("point", "keys", "sizes"),
    [
        ("mlp:5:3:4:2", ["network=mlp", "depth=3", "width=4"], (5, 4, 4, 4, 4, 2)),
        ("residual:5:1:4:2", ["network=residual", "depth=1", "width=4"], (5, 4, 4, 2)),
        (
            "hourglass:5:4:6:2:3",
            ["network=hourglass", "network.bottleneck=3", "depth=4", "width=6"],
            (5, 6, 6, 3, 3, 6, 6, 2),
        ),
    ],
)
def test_a_point_stands_for_its_keys(point: str, keys: list[str], sizes: tuple[int, ...]) -> None:
    data = ["data.features=5", "data.outputs=2"]
    checked = Auto().check(composed(f"point={point}", "batch=3"))
    assert checked == Auto().check(composed(*keys, *data, "batch=3"))
    assert networks.build(checked).net.n == sizes


def test_every_point_of_the_grid_is_a_network() -> None:
    points = OmegaConf.load(GRID).hydra.sweeper.params.point.split(",")
    checked = [Auto().check(composed(f"point={point.strip()}")) for point in points]
    assert {config["network"]["name"] for config in checked} == {"mlp", "hourglass", "residual", "conv"}
    assert all(networks.build(config).net.size > 0 for config in checked)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("point=mlp:5:3:4", "point: expected mlp:features:depth:width:outputs, got mlp:5:3:4"),
        ("point=hourglass:5:3:4:2", "expected hourglass:features:depth:width:outputs:bottleneck"),
        ("point=custom:5:3:4:2", "the network in point: expected one of mlp"),
        ("derivative=hessian", "derivative: expected one of gradient, jacobian, input_jacobian, got hessian"),
    ],
)
def test_what_can_not_be_measured_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Auto().check(composed(override))


@pytest.mark.usefixtures("no_git")
def test_jobs_are_measured_or_left_out_as_too_large(tmp_path: Path) -> None:
    for number, overrides in enumerate((["point=mlp:4:2:3:2"], ["point=mlp:512:2:512:512", "derivative=jacobian"])):
        (tmp_path / str(number)).mkdir()
        done = jobs.run(composed(*overrides, *QUICK), tmp_path / str(number))
        assert done["status"] == "complete", done["error"]
    collected = collect(tmp_path)
    small, large = sorted(collected.rows, key=lambda row: row["parameters"])
    assert small["point"] == "mlp:4:2:3:2"
    assert small["over"] > 0
    assert large["left_out"].startswith("too large: 2.7e+08 numbers")
    assert large["over"] is None
    assert sum("too large" in line for line in collected.table.texts()) == 1
    assert "Left out as too large: 1 points" in collected.experiment.answer(collected.rows)


def record(depth: int, times: dict[str, float], planned: str) -> dict[str, Any]:
    config = Auto().check(composed(f"point=mlp:4:{depth}:3:2"))
    predicted = {mode: {"seconds": 1e-3, "multiply_adds": 7, "peak_bytes": 9} for mode in times}
    return {
        "schema": SCHEMA,
        "experiment": "auto",
        "status": "complete",
        "error": None,
        "config": config,
        "config_hash": config_hash(config),
        "problem": {"samples": 1, "parameters": 100},
        "timings": {mode: [0.5 * time, time, 2 * time] for mode, time in times.items()},
        "median": times,
        "spread": dict.fromkeys(times, 0.0),
        "plan": {"mode": planned, "modes": predicted},
    }


def test_the_answer_counts_choices_within_a_tenth(tmp_path: Path) -> None:
    good = record(2, {"reverse": 1.05e-3, "optimal": 1e-3}, "reverse")
    bad = record(3, {"reverse": 3e-3, "optimal": 1e-3}, "reverse")
    collected = collect(lay_out(tmp_path, [good, bad]))
    assert [row["over"] for row in collected.rows] == [pytest.approx(1.05), pytest.approx(3)]
    assert collected.experiment.answer(collected.rows) == (
        "Auto's mode takes at most 10 % longer than the quickest on 1 of 2 points (50.0%). At worst it takes 3.00× as "
        "long: reverse for optimal at mlp:4:3:3:2, batch 1, gradient."
    )
    drawn = collected.experiment.pictures(collected.rows)
    drawn_alike(drawn)
    choices, predictions = drawn
    assert [datum.y for series in choices.series for datum in series.data] == [pytest.approx(1.05), pytest.approx(3)]
    assert {series.name: len(series.data) for series in predictions.series} == {"reverse": 2, "optimal": 2}


def test_without_a_time_there_are_files_all_the_same(tmp_path: Path) -> None:
    made = record(2, {"reverse": 1e-3}, "reverse")
    kept = {key: made[key] for key in ("schema", "experiment", "config", "config_hash")}
    error = {"type": "MemoryError", "message": "", "traceback": "…"}
    collected = collect(lay_out(tmp_path, [kept | {"status": "failed", "error": error}]))
    assert all(path.stat().st_size > 0 for path in collected.files)
    assert "no choice to judge" in collected.experiment.answer(collected.rows)
