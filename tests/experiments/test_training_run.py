"""The models that are ready, trained from the command line, and the curves in their pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prograd_experiments import jobs, schema
from prograd_experiments.collect import collect
from prograd_experiments.rows import varying
from prograd_experiments.training import lesson, pictures, swept
from prograd_experiments.training.experiment import Training
from tests.helpers import processes
from tests.helpers.configs import GD, TRAIN_CONFIG
from tests.helpers.drawn import same as drawn_alike


def run(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
    done = processes.run(["prograd-run", "-m", *arguments, "hydra.sweep.dir=s"], folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "How well does the network predict" in done.stdout
    for name in ("summary.csv", "train.png", "report.html"):
        assert (folder / "s" / name).stat().st_size > 0
    return [json.loads(path.read_text()) for path in sorted((folder / "s").glob("*/record.json"))]


@pytest.mark.starts_processes
def test_linear_regression_comes_to_the_least_squares(tmp_path: Path) -> None:
    (record,) = run(tmp_path, "experiment=linear_regression")
    part = lesson.prepare(record["config"]).train
    design = np.column_stack([part.x, np.ones(len(part.x))])
    residual = design @ np.linalg.lstsq(design, part.y, rcond=None)[0] - part.y
    assert record["final"]["train_loss"] == pytest.approx(0.5 * np.mean(residual**2), rel=1e-4)  # scipy's tolerance
    assert record["problem"]["layers"] == ["affine"]
    assert record["score_is"] == "R²"
    assert record["final"]["test_score"] > 0.3
    assert 45 < record["final"]["test_error"] < 65  # a deviation is 77


@pytest.mark.starts_processes
def test_logistic_regression_of_two_classes_and_of_three(tmp_path: Path) -> None:
    records = run(tmp_path, "experiment=logistic_regression", "data=breast_cancer,iris")
    assert [record["config"]["loss"]["name"] for record in records] == ["logistic", "softmax_cross_entropy"]
    assert all(record["final"]["test_score"] > 0.9 for record in records)


@pytest.mark.starts_processes
def test_the_mlp_learns_the_digits(tmp_path: Path) -> None:
    (record,) = run(tmp_path, "experiment=mlp_digits")
    assert record["final"]["test_score"] >= 0.97
    assert record["problem"]["test_samples"] == 449
    assert len(record["curves"]["epochs"]) == 31
    page = (tmp_path / "s" / "report.html").read_text()
    assert "the validation and test losses are of samples that were not trained on" in page
    assert "Times are for" not in page


@pytest.mark.slow
@pytest.mark.usefixtures("no_git")
def test_the_curves_are_in_the_picture(tmp_path: Path) -> None:
    for width in (4, 5):
        (tmp_path / str(width)).mkdir()
        jobs.run(TRAIN_CONFIG | {"width": width}, tmp_path / str(width))
    rows = collect(tmp_path).rows
    _, loss, score = pictures.pictures(rows)
    assert [series.title for series in loss.series] == [
        "width 4, training part",
        "width 4, validation part",
        "width 5, training part",
        "width 5, validation part",
    ]
    assert [datum.y for datum in loss.series[0].data] == rows[0]["curves"]["train_loss"]
    drawn_alike([loss, score])
    drawn_alike(pictures.pictures([row | {"curves": None} for row in rows])[1:])
    assert score.y.label == rows[0]["score_is"]
    assert varying(rows, pictures.POINT) == ["width"]
    best = max(rows, key=lambda row: (row["validation_score"], -row["validation_loss"]))
    answer = Training().answer(rows)
    assert answer.endswith(f"; chosen from 2 points by its validation score (width {best['width']}).")
    assert f"{100 * best['test_score']:.1f} % of the classes right on 10 samples that were not trained on" in answer
    _, curves, _ = pictures.pictures([row | {"chosen_epoch": 2} for row in rows])
    assert [series.entry for series in curves.series[:2]] == ["training part", "validation part: chose epoch 2"]
    drawn_alike([curves])
    for first, second, chosen in ((0.1, 0.2, 4), (0.2, 0.1, 5)):
        losses = zip(rows, (first, second), strict=True)
        equal = [row | {"validation_score": 0.5, "validation_loss": loss} for row, loss in losses]
        assert f"(width {chosen})." in Training().answer(equal)
    assert " at width 4; " in Training().answer([row | {"validation_score": None} for row in rows])


@pytest.mark.slow
@pytest.mark.usefixtures("no_git")
def test_the_test_score_is_drawn_against_what_was_swept(tmp_path: Path) -> None:
    points = [(width, rate, seed) for width in (2, 40) for rate in (0.1, 0.2) for seed in (0, 1, 2)]
    for number, (width, rate, seed) in enumerate(points):
        (tmp_path / str(number)).mkdir()
        jobs.run(
            TRAIN_CONFIG | {"width": width, "optimizer": GD | {"rate": rate}, "seed": seed}, tmp_path / str(number)
        )
    rows = collect(tmp_path).rows
    by_width, by_rate, *curves = pictures.pictures(rows)
    assert [chart.title for chart in (by_width, by_rate)] == ["Test score against width", "Test score against rate"]
    assert (by_width.x.log, by_rate.x.log) == (True, False)
    assert [series.name for series in by_width.series] == ["rate 0.1", "rate 0.2"]
    records = [json.loads(path.read_text()) for path in tmp_path.glob("*/record.json")]
    first = [
        record for record in records if (record["config"]["width"], record["config"]["optimizer"]["rate"]) == (2, 0.1)
    ]
    scores = [record["final"]["test_score"] for record in first]
    datum, mean, deviation = by_width.series[0].data[0], np.mean(scores), np.std(scores, ddof=1)
    assert (datum.x, datum.y, datum.spread) == (
        2,
        pytest.approx(mean),
        pytest.approx((mean - deviation, mean + deviation)),
    )
    assert datum.tooltip.endswith("on the test part, mean of 3 seeds")
    assert curves[0].series[0].group == "width 2, rate 0.1"
    drawn_alike([by_width, by_rate])
    # A single point is no sweep, and a failed one has no score.
    assert not swept.charts(rows[:1])
    assert len(swept.charts([*rows, rows[0] | {"test_score": None}])[0].series) == 2


def test_records_with_curves_of_the_test_part_still_read() -> None:
    config = TRAIN_CONFIG | {"loss": {"name": "softmax_cross_entropy"}}
    names = ("train_loss", "test_loss", "train_score", "test_score")
    curves = {"epochs": [0, 1], **{name: [0.5, 0.25] for name in names}}
    final = {name: values[-1] for name, values in curves.items() if name != "epochs"}
    old = {
        "schema": schema.SCHEMA,
        "experiment": "train",
        "status": "complete",
        "config": config,
        "config_hash": "",
        "epochs_done": 1,
        "score_is": "accuracy",
        "final": final,
        "curves": curves,
        "problem": {"test_samples": 9},
    }
    schema.check(old)
    experiment = Training()
    row = experiment.row(experiment.columns([old]), old, "here")
    loss, _ = pictures.pictures([row])
    assert [series.name for series in loss.series] == ["training part", "test part"]
    assert "25.0 % of the classes right on 9 samples" in experiment.answer([row])
