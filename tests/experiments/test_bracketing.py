"""The bracketing experiment: a job that is measured, and records that are made up, so that every number is known."""

from __future__ import annotations

import csv

import pytest
from hydra import compose, initialize_config_module

from prograd_experiments import choices, jobs
from prograd_experiments.bracketing import summary
from prograd_experiments.collect import as_csv, collect
from prograd_experiments.config import resolved
from prograd_experiments.errors import ConfigError
from prograd_experiments.gather import gather
from tests.helpers.records import lay_out

pytestmark = pytest.mark.usefixtures("no_git")

TIMES = {"reverse": 8e-3, "forward": 9e-3, "factored": 1e-3}
PREDICTED = {"reverse": 6e-3, "forward": 5e-3, "factored": 5e-4}


def composed(*overrides):
    choices.store()
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        return resolved(compose("config", ["experiment=bracketing", *overrides]))


def record(width, bottleneck, times=TIMES, predicted=PREDICTED):
    return {
        "schema": "prograd.record/1",
        "experiment": "bracketing",
        "status": "complete",
        "error": None,
        "config": composed(f"width={width}", f"network.bottleneck={bottleneck}"),
        "config_hash": f"{width:04x}{bottleneck:04x}" * 8,
        "problem": {"samples": 1, "parameters": 100},
        "agreement": {"relative_difference": 1e-15},
        "samples": {mode: [seconds] * 3 for mode, seconds in times.items()},
        "median": dict(times),
        "spread": dict.fromkeys(times, 0.0),
        "plan": {
            "mode": min(predicted, key=predicted.get),
            "modes": {m: {"seconds": s, "multiply_adds": 7, "peak_bytes": 9} for m, s in predicted.items()},
        },
    }


def failed(width, bottleneck):
    made = record(width, bottleneck)
    error = {"type": "MemoryError", "message": "", "traceback": "…"}
    return {key: made[key] for key in ("schema", "experiment", "config", "config_hash")} | {
        "status": "failed",
        "error": error,
    }


@pytest.mark.slow
def test_a_job_is_planned_measured_and_drawn(tmp_path):
    config = composed("width=12", "network.bottleneck=2", "repeats=3", "sample_seconds=1e-4")
    (tmp_path / "job").mkdir()
    done = jobs.run(config, tmp_path / "job")
    assert done["status"] == "complete", done["error"]
    assert set(done["median"]) == set(done["plan"]["modes"]) & set(config["modes"])
    assert done["problem"]["n"] == [12, 12, 12, 2, 2, 12, 12, 12]
    collected = collect(tmp_path)
    assert collected.whole
    assert all(path.stat().st_size > 0 for path in collected.files)


@pytest.mark.slow
def test_gradients_and_jacobians_by_parameters(tmp_path):
    for k, what in enumerate((["outputs=gradient", "wrt=parameters"], ["wrt=parameters"])):
        config = composed("width=4", "network.bottleneck=2", "repeats=3", "sample_seconds=1e-4", *what)
        (tmp_path / str(k)).mkdir()
        assert jobs.run(config, tmp_path / str(k))["status"] == "complete"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("outputs=gradient", "no gradient by its samples"),
        ("outputs=hessian", "outputs=hessian is not known"),
        ("modes=[reverse,sideways]", "sideways is not known"),
    ],
)
def test_what_cannot_be_measured_is_refused(override, message):
    config = composed(override)
    with pytest.raises(ConfigError, match=message):
        jobs.experiment_of(config).check(config)


def test_gains_are_those_of_the_times(tmp_path):
    gathered = gather(lay_out(tmp_path, [record(64, 8), record(64, 2), failed(128, 2)]))
    first, second, last = gathered.rows
    assert [(row["width"], row["bottleneck"]) for row in gathered.rows] == [(64, 2), (64, 8), (128, 2)]
    assert (first["chosen"], first["mixed"], first["over"]) == ("factored", "factored", 1.0)
    assert first["gain"] == pytest.approx(8.0)  # the better pure mode is reverse where measured,
    assert first["predicted_gain"] == pytest.approx(10.0)  # and forward where predicted
    assert last["gain"] is None
    assert summary.answer(gathered.rows) == (
        "At width 64 with a bottleneck of 2, factored mode takes 1.00 ms and the better pure mode, reverse, 8.00 ms: "
        "8.00×, predicted 10.0×. The gain is within 25 % of the predicted one at 2 of 2 points, and auto's choice "
        "within 10 % of the quickest at 2. 1 of 3 points gave no time: see the table."
    )
    table = gathered.experiment.table(gathered.rows).texts()
    assert table[0][:4] == ["width", "bottleneck", "reverse", "predicted"]
    assert table[3][2] == "failed"
    rows = list(csv.DictReader(as_csv(gathered.experiment.columns(gathered.records), gathered.rows).splitlines()))
    assert tuple(rows[0])[: len(summary.COLUMNS)] == summary.COLUMNS
    assert float(rows[0]["factored_predicted_s"]) == 5e-4
    assert second["over"] == 1.0


def test_without_a_time_there_are_files_all_the_same(tmp_path):
    collected = collect(lay_out(tmp_path, [failed(64, 2)]))
    assert all(path.stat().st_size > 0 for path in collected.files)
    assert "no gain to tell" in collected.experiment.answer(collected.rows)


def test_pure_modes_alone(tmp_path):
    times = {mode: TIMES[mode] for mode in ("reverse", "forward")}
    collected = collect(lay_out(tmp_path, [record(64, 2, times)]))
    assert collected.rows[0]["mixed"] is None
    assert collected.rows[0]["chosen"] == "forward"
    assert collected.rows[0]["over"] == pytest.approx(9 / 8)


def test_autos_choice_is_that_of_the_plan():
    """Of modes that are predicted to be nearly as quick, auto takes the simplest, which is not the minimum."""
    row = record(64, 2, predicted=PREDICTED | {"reverse": 5.1e-4})
    row["plan"]["mode"] = "reverse"
    assert (summary.row(row)["chosen"], summary.row(row)["over"]) == ("reverse", pytest.approx(8.0))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_networks_without_a_bottleneck_are_measured_too(tmp_path, network):
    config = composed(f"network={network}", "width=8", "repeats=3", "sample_seconds=1e-4", "batch=2")
    (tmp_path / "job").mkdir()
    done = jobs.run(config, tmp_path / "job")
    assert done["status"] == "complete", done["error"]
    assert "bottleneck" not in done["config"]["network"]
    assert summary.row(done)["bottleneck"] is None
    assert collect(tmp_path).experiment.name == "bracketing"
