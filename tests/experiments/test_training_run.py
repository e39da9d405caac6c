"""The models that are ready, trained from the command line, and the curves in their pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prograd_experiments import jobs
from prograd_experiments.collect import collect
from prograd_experiments.rows import varying
from prograd_experiments.training import lesson, pictures
from prograd_experiments.training.experiment import Training
from tests.helpers import processes
from tests.helpers.configs import TRAIN_CONFIG
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
    assert record["final"]["test_score"] < 0.85  # deviations; predicting the mean errs by about 1


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
    assert "Losses are means over the samples; the test losses are of samples that were not trained on" in page
    assert "Times are for" not in page


@pytest.mark.slow
@pytest.mark.usefixtures("no_git")
def test_the_curves_are_in_the_picture(tmp_path: Path) -> None:
    for width in (4, 5):
        (tmp_path / str(width)).mkdir()
        jobs.run(TRAIN_CONFIG | {"width": width}, tmp_path / str(width))
    rows = collect(tmp_path).rows
    loss, score = pictures.pictures(rows)
    assert [series.title for series in loss.series] == [
        "width 4, training part",
        "width 4, test part",
        "width 5, training part",
        "width 5, test part",
    ]
    assert [datum.y for datum in loss.series[0].data] == rows[0]["curves"]["train_loss"]
    drawn_alike([loss, score])
    drawn_alike(pictures.pictures([row | {"curves": None} for row in rows]))
    assert score.y.label == rows[0]["score_is"]
    assert varying(rows, pictures.POINT) == ["width"]
    assert " at width 4; " in Training().answer(rows)
