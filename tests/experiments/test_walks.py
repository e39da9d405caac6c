"""Two walks from the command line to what a person looks at: a lecturer's sweep, and one over a researcher's layer."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from statistics import fmean, stdev

import pytest
from matplotlib.image import imread

import prograd_experiments
from prograd_experiments import data, records
from prograd_experiments.gather import Gathered, gather
from tests.helpers import processes
from tests.helpers.distributions import Site
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.factors import FACTORS

pytestmark = [pytest.mark.slow, pytest.mark.starts_processes]


def swept(folder: Path, *words: str, path: Path | None = None) -> tuple[str, Gathered]:
    """What a sweep of `prograd-run` prints, and what it leaves in `folder / "s"`."""
    settings = {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(path or "")}
    done = processes.run(["prograd-run", "-m", *words, "hydra.sweep.dir=s"], folder, os.environ | settings)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout, gather(folder / "s")


def looked_at(found: Gathered, name: str) -> None:
    """The poster has the picture that poster and page draw alike, and is no blank sheet."""
    pictures = found.experiment.pictures(found.rows)
    drawn_alike(pictures)
    image = imread(found.directory / f"{name}.png")
    assert image[..., :3].std() > 0.05
    page = (found.directory / "report.html").read_text()
    assert all(picture.title in page for picture in pictures)


def test_a_lecturer_sweeps_rate_and_width_over_five_seeds(tmp_path: Path) -> None:
    words = ("experiment=train", "data=iris", "depth=2", "width=3,9", "optimizer.rate=0.02,0.1", "epochs=3")
    said, found = swept(tmp_path, *words, "seed=0,1,2,3,4")
    assert "20 points: 20 new" in said

    heading, *lines = found.table.texts()
    cells = [dict(zip(heading, line, strict=True)) for line in lines if any(line)]
    assert [(cell["width"], cell["rate"], cell["seeds"]) for cell in cells] == [
        ("3", "0.02", "5"),
        ("3", "0.1", "5"),
        ("9", "0.02", "5"),
        ("9", "0.1", "5"),
    ]
    assert all(" ± " in cell["test accuracy"] for cell in cells)

    with (tmp_path / "s" / "summary.csv").open() as file:
        written = list(csv.DictReader(file))
    assert len(written) == 4
    for line in written:
        runs = [records.read(tmp_path / "s" / folder / records.NAME) for folder in line["directory"].split()]
        assert {(str(run["config"]["width"]), str(run["config"]["optimizer"]["rate"])) for run in runs} == {
            (line["width"], line["optimizer.rate"])
        }
        scores = [run["final"]["test_score"] for run in runs]
        assert (line["seeds"], line["seed"]) == ("5", "0 1 2 3 4")
        assert float(line["test_score"]) == pytest.approx(fmean(scores))
        assert float(line["test_score_sd"]) == pytest.approx(stdev(scores))

    def validated(cell: dict[str, str]) -> tuple[float, float]:
        score, loss = (float(cell[f"validation {name}"].split()[0]) for name in ("accuracy", "loss"))
        return score, -loss

    best = max(cells, key=validated)
    answer = found.experiment.answer(found.rows)
    assert answer in said
    assert f"{best['test accuracy']} of the classes right" in answer
    assert "mean of 5 seeds; chosen from 4 points by its validation score" in answer
    assert answer.endswith(f"(width {best['width']}, rate {best['rate']}).")
    assert "best of" not in said

    by_width, by_rate, loss, _ = found.experiment.pictures(found.rows)
    assert [(chart.x.label, [line.title for line in chart.series]) for chart in (by_width, by_rate)] == [
        ("width", ["rate 0.02", "rate 0.1"]),
        ("rate", ["width 3", "width 9"]),
    ]
    assert [[datum.x for datum in line.data] for line in by_width.series] == [[3, 9], [3, 9]]
    assert {line.group for line in loss.series} == {
        f"width {width}, rate {rate}" for width in ("3", "9") for rate in ("0.02", "0.1")
    }
    data_drawn = [datum for chart in (by_width, by_rate, loss) for line in chart.series for datum in line.data]
    assert all(datum.spread and datum.spread[0] < datum.y < datum.spread[1] for datum in data_drawn)
    looked_at(found, "train")

    model = prograd_experiments.load(tmp_path / "s" / written[-1]["directory"].split()[0])
    iris = data.load({"data": {"name": "iris"}})
    truth = [iris.classes[number] for number in iris.targets.argmax(axis=1)]
    right = fmean(given == true for given, true in zip(model.predict(iris.features), truth, strict=True))
    run = records.read(tmp_path / "s" / written[-1]["directory"].split()[0] / records.NAME)
    parts = ("train", "validation", "test")
    assert right == pytest.approx(
        sum(run["final"][f"{part}_score"] * run["problem"][f"{part}_samples"] for part in parts) / len(truth)
    )
    assert right > 0.6


def test_a_researcher_sweeps_an_option_of_a_layer_of_her_own(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.plugin("factors", FACTORS)
    words = ("network.layer={name: low_rank}", "network.layer.rank=1,3", "depth=1,2", "width=4,6", "data=iris")
    said, found = swept(tmp_path, *words, "repeats=3", "sample_seconds=1e-4", path=site.folder)
    assert "8 points: 8 new" in said

    heading, *lines = found.table.texts()
    assert heading[:3] == ["depth", "width", "rank"]
    told = [tuple(line[:3]) for line in lines if any(line)]
    assert told == [(depth, width, rank) for depth in "12" for width in "46" for rank in "13"]
    sizes = {(row["depth"], row["width"], row["network.layer.rank"]): row["parameters"] for row in found.rows}
    # U (width, rank) and V (rank, n) in each layer, then an affine layer to the three classes of four features.
    assert sizes == {
        (depth, width, rank): rank * ((width + 4) + (depth - 1) * 2 * width) + 3 * (width + 1)
        for depth in (1, 2)
        for width in (4, 6)
        for rank in (1, 3)
    }

    pictures = found.experiment.pictures(found.rows)
    assert {picture.heading.rpartition(", ")[2] for picture in pictures} == {"rank 1", "rank 3"}
    times = [picture for picture in pictures if picture.title == "Time of one gradient against depth"]
    for chart, rank in zip(times, (1, 3), strict=True):
        (line,) = [line for line in chart.series if line.title == "reverse, width 6"]
        row = {row["depth"]: row for row in found.rows if (row["width"], row["network.layer.rank"]) == (6, rank)}
        assert [(datum.x, datum.y) for datum in line.data] == [(depth, row[depth]["reverse_s"]) for depth in (1, 2)]
    looked_at(found, "speed_gap")
