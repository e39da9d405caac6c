"""Noise: unsteady points are measured again and marked, and nothing is said that the spreads do not bear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prograd_experiments import steady
from prograd_experiments.charts import HOLLOW, Chart, Map
from prograd_experiments.collect import as_csv
from prograd_experiments.gather import Gathered, gather
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.report import page
from prograd_experiments.speed_gap import groups
from prograd_experiments.speed_gap.experiment import SpeedGap, gaps, growth
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import lay_out, record

STEADY, BUSY = (0.95, 1.0, 1.05), (0.5, 1.0, 1.5)


def spread(
    at: tuple[int, int], forward: float, reverse: float, factors: tuple[float, ...], **config: Any
) -> dict[str, Any]:
    """A record whose timings are these factors of the times; forward and reverse mode were not disturbed alike."""
    made = record(*at, forward, reverse, **config)
    timings = {"forward": [forward * f for f in factors], "reverse": [reverse * f for f in STEADY[::-1]]}
    low, high = (np.quantile(factors, q) for q in (0.25, 0.75))
    made |= {"timings": timings, "spread": {"forward": float(high - low) * forward, "reverse": 0.05 * reverse}}
    return made | gaps(timings, made["multiply_adds"], made["predicted_seconds"])


def gathered(directory: Path, *made: dict[str, Any]) -> Gathered:
    return gather(lay_out(directory, list(made)))


class Machine:
    """Measurements with given spreads, each of which takes a second of a clock that only they move."""

    def __init__(self, *spreads: float) -> None:
        self.spreads: Iterator[float] = iter(spreads)
        self.now = 0.0
        self.left: list[float] = []

    def measure(self, seconds: float) -> dict[str, list[float]]:
        self.left.append(seconds)
        self.now += 1.0
        half = next(self.spreads) / 2
        return {"one": [1.0 - 2 * half, 1.0 - half, 1.0, 1.0 + half, 1.0 + 2 * half]}

    def steadiest(self, seconds: float) -> tuple[float, int]:
        best, attempts = steady.steadiest(self.measure, lambda timings: timings, seconds, lambda: self.now)
        return steady.widest(best), attempts


@pytest.mark.parametrize(
    ("spreads", "seconds", "kept", "attempts"),
    [
        ([0.1], 10, 0.1, 1),
        ([0.6, 0.1], 10, 0.1, 2),
        ([0.6, 0.4, 0.5, 0.9, 0.7, 0.0], 10, 0.4, 5),  # at most five
        ([0.6, 0.1], 1.5, 0.6, 1),  # no time for another one
        ([0.6, 0.5, 0.1], 2.5, 0.5, 2),
    ],
)
def test_an_unsteady_measurement_is_repeated_while_there_is_time_and_the_steadiest_counts(
    spreads: list[float], seconds: float, kept: float, attempts: int
) -> None:
    machine = Machine(*spreads)
    assert machine.steadiest(seconds) == (pytest.approx(kept), attempts)
    assert machine.left == [seconds - number for number in range(attempts)]


def test_what_is_unsteady_is_marked_in_table_csv_page_and_pictures(tmp_path: Path) -> None:
    found = gathered(tmp_path, spread((2, 8), 1e-3, 1e-4, BUSY), spread((4, 8), 4e-3, 1e-4, STEADY))
    cells = [dict(zip(found.table.texts()[0], line, strict=True)) for line in found.table.texts()[1:]]
    assert [line["forward"].endswith(" *") for line in cells] == [True, False]
    assert [line["gap: measured"].endswith(" *") for line in cells] == [True, False]
    assert not any(line["reverse"].endswith("*") for line in cells)
    assert [row["unsteady"] for row in found.rows] == ["forward", None]
    assert "unsteady" in as_csv(found).splitlines()[0].split(",")
    assert "* unsteady" in found.experiment.caption(found.rows)
    assert "The machine was busy at 1 of 2 points, which * marks." in SpeedGap().answer(found.rows)
    assert "mark hollow" in page.render([found])
    drawn = found.experiment.pictures(found.rows)
    for chart in drawn:
        assert isinstance(chart, Chart)
        assert HOLLOW in chart.foot
        hollow = [datum for series in chart.series for datum in series.data if datum.unsteady]
        assert [(datum.x, "unsteady" in datum.tooltip) for datum in hollow] == [(2, True)]
    drawn_alike(drawn)


def test_a_map_marks_what_is_unsteady(tmp_path: Path) -> None:
    made = [
        spread((depth, width), 1e-3 * depth, 1e-4, BUSY if depth == width else STEADY)
        for depth in (2, 4)
        for width in (4, 8)
    ]
    measured, *predicted = [
        one for one in gathered(tmp_path, *made).experiment.pictures(gather(tmp_path).rows) if isinstance(one, Map)
    ]
    assert [tile.text.endswith(" *") for row in measured.tiles for tile in row] == [False, False, True, False]
    assert "unsteady" in measured.foot
    assert not any("unsteady" in one.foot for one in predicted)


def test_steady_points_have_no_mark_anywhere(tmp_path: Path) -> None:
    found = gathered(tmp_path, spread((2, 8), 1e-3, 1e-4, STEADY), spread((4, 8), 4e-3, 1e-4, STEADY))
    assert "hollow" not in page.render([found]).partition("</style>")[2]
    assert "unsteady" not in found.experiment.caption(found.rows)


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ([(1.0, 1.0), (4.0, 4.0)], "slope 2.00 ± 0.00"),
        ([(0.9, 1.1), (3.6, 4.4)], "slope 2.00 ± 0.20"),
        ([(0.3, 3.0), (1.2, 12.0)], ""),  # the spreads allow anything from −0.35 to 4.3
    ],
)
def test_a_slope_is_told_with_its_error_if_the_spreads_bear_it(ends: list[tuple[float, float]], text: str) -> None:
    assert groups.slope_text([1, 2], [1.0, 4.0], ends) == text


def test_points_off_the_line_make_a_slope_uncertain() -> None:
    exact = [(value, value) for value in (1.0, 8.0, 2.0, 16.0)]
    assert groups.slope_text([1, 2, 3, 4], [value for value, _ in exact], exact) == ""
    assert groups.slope_text([1, 2, 4], [1.0, 1.0, 1.0], exact[:1] * 3) == "slope 0.00 ± 0.00"
    assert groups.slope_text([2], [1.0], exact[:1]) == ""


def test_growth_needs_different_values_and_spreads_that_are_apart(tmp_path: Path) -> None:
    for name in ("one", "same", "grown", "noisy"):
        (tmp_path / name).mkdir()
    grown = gathered(tmp_path / "grown", spread((2, 8), 1e-3, 1e-4, STEADY), spread((2, 16), 2e-3, 1e-4, STEADY)).rows
    noisy = gathered(tmp_path / "noisy", spread((2, 8), 1e-3, 1e-4, BUSY), spread((2, 16), 1.1e-3, 1e-4, BUSY)).rows
    same = gathered(tmp_path / "same", *(spread((2, 8), 1e-3 * n, 1e-4, STEADY, repeats=n) for n in (3, 5))).rows
    one = gathered(tmp_path / "one", spread((2, 8), 1e-3, 1e-4, STEADY)).rows
    assert growth(grown, "width") == "width (8 to 16)"
    assert growth(same, "repeats") == "repeats (3 to 5)"
    assert [growth(rows, "width") for rows in (noisy, same, one)] == ["", "", ""]
    assert [growth(rows, "depth") for rows in (grown, noisy, same, one)] == [""] * 4


def test_the_answer_does_not_tell_apart_what_the_spreads_do_not(tmp_path: Path) -> None:
    for name in ("several", "one"):
        (tmp_path / name).mkdir()
    several = [spread((2, width), time, 1e-4, BUSY) for width, time in ((8, 3.24e-4), (16, 3.3e-4))]
    text = SpeedGap().answer(gathered(tmp_path / "several", *several).rows)
    assert "3.24 to 3.30 times as long as reverse mode at 2 points, which their spreads do not tell apart." in text
    assert "grows" not in text
    text = SpeedGap().answer(gathered(tmp_path / "one", spread((2, 8), 1.1e-4, 1e-4, BUSY)).rows)
    assert "1.10 times as long as reverse mode, which its spread does not tell from the same time at" in text


def test_peers_are_not_judged_by_unsteady_points() -> None:
    row = {"task": "reverse", "depth": 2, "width": 4, "batch": 1, "dtype": "float64", "status": "complete"}
    times = {f"{engine}_{what}": None for engine in ("floor", "prograd", "numpy") for what in ("s", "iqr_s")}
    outcomes = {
        f"{name}_outcome": None for name in ("floor", "prograd", "numpy", "jax", "torch", "torch_compile", "autograd")
    }
    row |= times | outcomes | {"floor_s": 1e-6, "prograd_s": 9e-7, "best_peer_to_prograd": None, "best_peer": None}
    busy = row | {"prograd_to_floor": 0.9, "prograd_to_floor_iqr": 90.0}
    quiet = row | {"prograd_to_floor": 2.0, "prograd_to_floor_iqr": 0.1}
    assert Peers().answer([busy]) == "No point has times to compare."
    assert "takes 2.00× the time of the bare products in the median, at most 2.00×" in Peers().answer([busy, quiet])
