"""Charts of a page: round ticks on axes of logarithms, and lines of many points."""

from __future__ import annotations

import re

import pytest

from prograd_experiments.charts import Axis, Chart, Point, Series
from prograd_experiments.report import plot, scale


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 11, [1, 2, 5, 10]),
        (1e-6, 1e-2, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2]),
        (1e-5, 2e-3, [1e-5, 3e-5, 1e-4, 3e-4, 1e-3]),
        (1e-9, 1e9, [1e-9, 1e-5, 1e-1, 1e3, 1e7]),
    ],
)
def test_ticks_of_a_log_axis_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert scale.round_logs(low, high) == pytest.approx(ticks)


def test_a_line_of_many_points_offers_some_and_draws_all() -> None:
    points = [Point(x, x * x, f"{x}") for x in range(1, 500)]
    axis = Axis("", str)
    chart = Chart("", "", "squares", axis, axis, [Series("a", points, 0)])
    drawn = plot.draw(chart, [chart])
    assert drawn.count('role="img"') == plot.MOST_POINTS
    assert 'aria-label="1"' in drawn
    assert 'aria-label="499"' in drawn
    (line,) = re.findall(r'class="line" d="([^"]*)"', drawn)
    assert line.count("L") == 498
