"""Runs that differ in the seed alone are one point: the mean over the seeds, its spread and their number."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from prograd_experiments.collect import as_csv, collect
from prograd_experiments.gather import Gathered, gather
from prograd_experiments.report import page
from prograd_experiments.speed_gap import pictures
from prograd_experiments.training.experiment import Training
from prograd_experiments.training.pictures import mean_curves
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import failed, lay_out, record

TIMES = (1e-3, 2e-3, 3e-3)
THREE = [record(2, 8, forward, 1e-3, seed=seed) for seed, forward in enumerate(TIMES)]


def gathered(directory: Path, made: list[dict[str, Any]]) -> Gathered:
    directory.mkdir(exist_ok=True)
    return gather(lay_out(directory, made))


def test_seeds_are_one_point_with_mean_spread_and_number(tmp_path: Path) -> None:
    found = gathered(tmp_path, THREE)
    (row,) = found.rows
    assert row["forward_s"] == pytest.approx(fmean(TIMES))
    assert row["gap"] == pytest.approx(2.0)
    heading, line = found.table.texts()
    cells = dict(zip(heading, line, strict=True))
    assert cells["forward"] == "2.00 ms ± 1.00"
    assert cells["reverse"] == "1.00 ms ± 0.00"
    assert cells["gap: multiply-adds"] == "64.0×"
    assert cells["gap: measured"] == "2.00× ± 1.00"
    assert cells["seeds"] == "3"
    assert "seed" not in heading
    (written,) = csv.DictReader(as_csv(found).splitlines())
    assert (written["seeds"], written["seed"], written["timings"]) == ("3", "0 1 2", "3")
    assert float(written["forward_s_sd"]) == pytest.approx(stdev(TIMES))
    assert page.counted(found) == "1 point, 3 runs: 3 complete"
    assert "mean over the seeds ± standard deviation" in found.experiment.caption(found.rows)
    assert "mean over the seeds" in page.render([found])


def test_a_picture_has_one_value_for_the_seeds_of_a_point(tmp_path: Path) -> None:
    others = [record(4, 8, forward, 1e-3, seed=seed) for seed, forward in enumerate((5e-3, 6e-3, 7e-3))]
    times, gap = pictures.pictures(gathered(tmp_path, [*THREE, *others]).rows)
    forward, *_ = times.series
    assert [(datum.x, datum.y) for datum in forward.data] == [(2, pytest.approx(2e-3)), (4, pytest.approx(6e-3))]
    assert forward.data[0].spread == (pytest.approx(1e-3), pytest.approx(3e-3))
    assert forward.data[0].tooltip.endswith("3 timings, mean of 3 seeds")
    assert "seeds: mean, deviation" in times.y.label
    drawn_alike([times, gap])


def test_a_failed_seed_is_told_and_the_others_count(tmp_path: Path) -> None:
    found = gathered(tmp_path, [*THREE[:2], failed(2, 8, seed=2)])
    (row,) = found.rows
    assert (row["status"], row["seeds"]) == ("complete", 2)
    assert row["forward_s"] == pytest.approx(fmean(TIMES[:2]))
    assert found.table.texts()[1][-1] == "2 of 3"
    assert "too <large>" in row["error"]
    assert not found.whole
    assert page.counted(found) == "1 point, 3 runs: 2 complete, 1 failed"


def test_seeds_that_all_failed_are_a_failed_point(tmp_path: Path) -> None:
    (row,) = gathered(tmp_path, [failed(2, 8, seed=seed) for seed in (0, 1)]).rows
    assert (row["status"], row["seeds"], row["gap"]) == ("failed", 0, None)


def test_a_point_that_is_there_twice_is_no_repetition(tmp_path: Path) -> None:
    assert len(gathered(tmp_path, [THREE[0], THREE[0]]).rows) == 2


def test_one_seed_for_each_point_changes_nothing(tmp_path: Path) -> None:
    found = gathered(tmp_path, [record(2, width, 1e-3, 1e-4, seed=width) for width in (8, 16)])
    assert "seeds" not in found.table.texts()[0]
    assert "seeds" not in as_csv(found)


def test_sweeps_over_different_seeds_are_compared_point_by_point(tmp_path: Path) -> None:
    one = gathered(tmp_path / "one", THREE)
    other = gathered(tmp_path / "other", [record(2, 8, 4e-3, 1e-3, seed=seed) for seed in (3, 4)])
    drawn = page.render([one, other])
    assert "no job" not in drawn.partition("</style>")[2]


def run_of(rate: float, seed: int, score: float) -> dict[str, Any]:
    curves = {
        "epochs": [1, 2],
        **{f"{part}_{what}": [0.5, score] for part in ("train", "test") for what in ("loss", "score")},
    }
    base = record(
        2, 8, 1, 1, experiment={"name": "train"}, optimizer={"name": "sgd", "rate": rate}, seed=seed, epochs=2
    )
    kept = {key: base[key] for key in ("schema", "status", "config", "config_hash", "error", "environment")}
    final = {"train_loss": 0.1, "test_loss": 0.2, "train_score": score, "test_score": score}
    about = {"problem": {"train_samples": 30, "test_samples": 10, "parameters": 7}, "seconds": 1.0}
    return (
        kept
        | about
        | {"experiment": "train", "epochs_done": 2, "score_is": "accuracy", "final": final, "curves": curves}
    )


def test_nothing_is_the_best_of_many_runs_by_its_test_score(tmp_path: Path) -> None:
    few = gathered(
        tmp_path / "few", [run_of(rate, seed, 0.8 + rate + seed / 100) for rate in (0.05, 0.1) for seed in (0, 1, 2)]
    )
    text = Training().answer(few.rows)
    assert text == (
        "On digits, of the classes right on samples that were not trained on: 86.0 ± 1.0 % at rate 0.05, mean of 3 "
        "seeds; 91.0 ± 1.0 % at rate 0.1, mean of 3 seeds."
    )
    many = gathered(tmp_path / "many", [run_of(rate / 100, 0, rate / 100) for rate in range(50, 68)])
    text = Training().answer(many.rows)
    assert "50.0 % to 67.0 % at 18 points, 58.5 % in the median" in text
    assert "the best of" not in text
    assert "rate" not in text.partition(":")[2]


def test_curves_of_seeds_are_drawn_as_their_mean(tmp_path: Path) -> None:
    loss, score = Training().pictures(gathered(tmp_path, [run_of(0.1, seed, 0.8 + seed / 10) for seed in (0, 1)]).rows)
    training, test = score.series
    assert [datum.y for datum in test.data] == [pytest.approx(0.5), pytest.approx(0.85)]
    assert test.data[1].spread == (pytest.approx(0.85 - stdev((0.8, 0.9))), pytest.approx(0.85 + stdev((0.8, 0.9))))
    assert training.data[1].tooltip.endswith("after 2 epochs, mean of 2 seeds")
    assert "deviation over seeds" in loss.y.label


def test_curves_of_different_epochs_have_no_mean() -> None:
    one, other = ({"epochs": epochs, "train_loss": [1.0] * len(epochs)} for epochs in ([1], [1, 2]))
    assert mean_curves([one, other]) == one
    assert mean_curves([None, None]) is None


@pytest.mark.slow
def test_poster_and_page_are_made_of_the_points(tmp_path: Path) -> None:
    collected = collect(lay_out(tmp_path, THREE))
    assert len(collected.rows) == 1
    assert all(path.stat().st_size > 0 for path in collected.files)
