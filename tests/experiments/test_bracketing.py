"""The bracketing experiment: a job that is measured, and records that are made up, so that every number is known."""

from __future__ import annotations

import csv

import pytest
from hydra import compose, initialize_config_module

from prograd_experiments import jobs, run
from prograd_experiments.bracketing import pictures
from prograd_experiments.bracketing.experiment import Bracketing
from prograd_experiments.collect import as_csv, collect
from prograd_experiments.config import config_hash, resolved
from prograd_experiments.errors import ConfigError
from prograd_experiments.gather import gather
from prograd_experiments.records import SCHEMA
from tests.helpers import records
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import lay_out

pytestmark = pytest.mark.usefixtures("no_git")

COLUMNS = (
    *("status", "width", "bottleneck", "depth", "outputs", "wrt", "batch", "activation", "network", "dtype", "threads"),
    *("machine", "seed"),
    *("chosen", "over", "mixed", "gain", "predicted_gain", "timings", "relative_difference", "parameters"),
    *("config_hash", "directory", "error"),
)
"""As docs/planning.md lists them."""

TIMES = {"reverse": 8e-3, "forward": 9e-3, "factored": 1e-3}
PREDICTED = {"reverse": 6e-3, "forward": 5e-3, "factored": 5e-4}


def composed(*overrides):
    run.store_choices()
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        return resolved(compose("config", ["experiment=bracketing", *overrides]))


@pytest.mark.parametrize(
    ("experiment", "own"), [("bracketing", "synthetic"), ("auto", "synthetic"), ("peers", "digits")]
)
@pytest.mark.parametrize("data", ["csv", "npz", "iris"])  # a file's path is not asked for in vain
def test_data_that_an_experiment_has_no_use_for_is_refused(experiment, own, data):
    expected = f"data: expected {own}, since experiment={experiment} has no use for other data, got {data}"
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        config = compose("config", [f"experiment={experiment}", f"data={data}"])
    with pytest.raises(ConfigError, match=f"^{expected}$"):
        jobs.resolved(config)


def record(width, bottleneck, times=TIMES, predicted=PREDICTED):
    config = composed(f"width={width}", f"network.bottleneck={bottleneck}")
    return {
        "schema": SCHEMA,
        "experiment": "bracketing",
        "status": "complete",
        "error": None,
        "config": config,
        "config_hash": config_hash(config),
        "problem": {"samples": 1, "parameters": 100},
        "agreement": {"relative_difference": 1e-15},
        "timings": {mode: [seconds] * 3 for mode, seconds in times.items()},
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
        ("outputs=gradient", "wrt: expected parameters for outputs=gradient"),
        ("outputs=hessian", "outputs: expected one of jacobian, gradient, got hessian"),
        ("modes=[reverse,sideways]", "optimal, got sideways"),
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
    assert Bracketing().answer(gathered.rows) == (
        "At width 64 with a bottleneck of 2, factored mode takes 1.00 ms and the better pure mode, reverse, 8.00 ms: "
        "8.00× ± 0.00, predicted 10.0×. The gain is within 25 % of the predicted one at 2 of 2 points, and auto's "
        "choice within 10 % of the quickest at 2. 1 of 3 points gave no time: see the table."
    )
    table = gathered.table.texts()
    assert table[0][:4] == ["width", "bottleneck", "reverse", "predicted"]
    assert table[3][2] == "failed"
    rows = list(csv.DictReader(as_csv(gathered).splitlines()))
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert float(rows[0]["factored_predicted_s"]) == 5e-4
    assert second["over"] == 1.0


def test_without_a_time_there_are_files_all_the_same(tmp_path):
    collected = collect(lay_out(tmp_path, [failed(64, 2)]))
    assert all(path.stat().st_size > 0 for path in collected.files)
    assert "no gain to report" in collected.experiment.answer(collected.rows)


@pytest.mark.parametrize(
    ("made", "titles"),
    [
        (
            [record(64, 2), record(64, 8), record(128, 2), failed(128, 8)],
            ["Time at width 64", "Time at width 128", "Gain of the mixed bracketing"],
        ),
        ([record(64, 2), record(128, 2)], ["Time against width", "Gain of the mixed bracketing"]),
        ([record(64, 2)], ["Time at width 64, bottleneck 2", "Gain of the mixed bracketing"]),
        ([failed(64, 2), failed(64, 8)], ["Time at width 64", "Gain of the mixed bracketing"]),
        ([failed(64, 2)], ["Time at width 64, bottleneck 2"]),
    ],
    ids=["grid", "width", "point", "failed", "point failed"],
)
def test_what_varies_is_drawn_and_poster_and_page_are_the_same(tmp_path, made, titles):
    drawn = pictures.pictures(gather(lay_out(tmp_path, made)).rows)
    assert [picture.title for picture in drawn] == titles
    drawn_alike(drawn)


def test_seeds_are_one_point_with_a_mean_gain_and_its_deviation(tmp_path):
    made = []
    for bottleneck in (2, 8):
        for seed, reverse in enumerate((7e-3, 8e-3, 9e-3)):
            one = record(64, bottleneck, TIMES | {"reverse": reverse, "forward": 2e-2})
            one["config"] |= {"seed": seed}
            made.append(one | {"config_hash": config_hash(one["config"])})
    found = gather(lay_out(tmp_path, made))
    assert [(row["seeds"], row["gain"]) for row in found.rows] == [(3, pytest.approx(8.0))] * 2
    times, gains = found.experiment.pictures(found.rows)
    for chart in (times, gains):
        assert chart.y.label.endswith("(bars: middle half; seeds: mean, deviation)")
    measured, predicted = gains.series
    assert [datum.spread for datum in measured.data] == [(pytest.approx(7.0), pytest.approx(9.0))] * 2
    assert measured.data[0].tooltip.endswith(", mean of 3 seeds")
    assert not any(datum.spread for datum in predicted.data)
    drawn_alike([times, gains])
    assert "reverse, 8.00 ms: 8.00× ± 1.00, predicted 10.0×, mean of 3 seeds. " in found.experiment.answer(found.rows)


def test_the_gain_is_told_of_a_steady_point_if_there_is_one(tmp_path):
    busy = record(64, 2)
    busy["spread"] = busy["spread"] | {"factored": 0.9e-3}
    calm = record(128, 2, TIMES | {"factored": 4e-3})
    assert Bracketing().answer(gather(lay_out(tmp_path, [busy, calm])).rows).startswith("At width 128 with")


def test_a_mode_has_its_colour_in_every_picture(tmp_path):
    (tmp_path / "gap").mkdir()
    (tmp_path / "brackets").mkdir()
    gaps = gather(lay_out(tmp_path / "gap", [records.record(2, 8, 1e-3, 1e-4)]))
    brackets = gather(lay_out(tmp_path / "brackets", [record(64, 2)]))
    (times, _), (others, _) = (found.experiment.pictures(found.rows) for found in (gaps, brackets))
    one = {series.name: series.colour for series in times.series}
    other = {series.group: series.colour for series in others.series if series.name == "measured"}
    assert {mode: other[mode] for mode in one} == one
    assert len(set(other.values())) == len(other) == 3


def test_pure_modes_alone(tmp_path):
    times = {mode: TIMES[mode] for mode in ("reverse", "forward")}
    collected = collect(lay_out(tmp_path, [record(64, 2, times)]))
    assert collected.rows[0]["mixed"] is None
    assert collected.rows[0]["chosen"] == "forward"
    assert collected.rows[0]["over"] == pytest.approx(9 / 8)


def test_autos_choice_is_that_of_the_plan(tmp_path):
    """Of modes that are predicted to be nearly as quick, auto takes the simplest, which is not the minimum."""
    made = record(64, 2, predicted=PREDICTED | {"reverse": 5.1e-4})
    made["plan"]["mode"] = "reverse"
    (row,) = gather(lay_out(tmp_path, [made])).rows
    assert (row["chosen"], row["over"]) == ("reverse", pytest.approx(8.0))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_networks_without_a_bottleneck_are_measured_too(tmp_path, network):
    config = composed(f"network={network}", "width=8", "repeats=3", "sample_seconds=1e-4", "batch=2")
    (tmp_path / "job").mkdir()
    done = jobs.run(config, tmp_path / "job")
    assert done["status"] == "complete", done["error"]
    assert "bottleneck" not in done["config"]["network"]
    collected = collect(tmp_path)
    assert collected.rows[0]["bottleneck"] is None
    assert collected.experiment.name == "bracketing"
