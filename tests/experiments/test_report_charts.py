"""Charts as data: round ticks, labels that fit, and lines of many points."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from prograd_experiments.charts import Axis, Chart, Datum, Series, guide, markup
from prograd_experiments.charts.palette import BLUE, CIRCLE
from prograd_experiments.charts.scale import BETWEEN_LABELS, frame, round_logs, scale
from tests.helpers.drawn import same


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
    assert round_logs(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[3.0], [2.1, 4.9], [6.0, 9.0], [1e-9, 1e9], [0.0123, 0.0124], [1.0, 1e-7]])
def test_every_axis_of_numbers_has_two_labels_that_differ(values: list[float], *, log: bool) -> None:
    axis = Axis("", lambda value: f"{value:g}", log)
    made = scale(axis, values)
    labels = dict(made.labels(24)).values()
    assert len(set(labels)) == len(labels) >= 2
    assert all(0 < made(value) < 1 for value in values)


def test_labels_do_not_overlap() -> None:
    ticks = [(float(value), str(value)) for value in (8, 10, 12, 14, 16, 100, 1000)]
    made = scale(Axis("", str, log=True, ticks=ticks), [])
    places = [(made(value) * 30, len(text)) for value, text in made.labels(30)]
    gaps = [x - a / 2 - b / 2 - y for (y, a), (x, b) in pairwise(places)]
    assert len(made.labels(30)) < len(ticks)
    assert min(gaps) >= 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e300, 1.7e308])
def test_values_near_the_ends_of_floats_do_not_take_the_others_places(value: float, log: bool) -> None:
    made = scale(Axis("", str, log=log), [1.0, 2.0, value])
    assert 0 < made(1.0) <= made(2.0) < 1
    assert all(math.isfinite(tick) for tick, _ in made.ticks)


def test_companions_of_the_same_title_share_their_scales() -> None:
    axis = Axis("", str)
    one, other, further = (
        Chart("", title, "", axis, axis, [Series("a", [Datum(1, y, ""), Datum(2, 2 * y, "")], BLUE, CIRCLE)])
        for title, y in (("t", 1.0), ("t", 10.0), ("u", 100.0))
    )
    shared = frame(one, [one, other, further])
    assert shared == frame(other, [one, other, further])
    assert shared.y.high < 30
    assert shared != frame(one, [one])


def test_guides_are_power_laws_whose_labels_do_not_overlap() -> None:
    guides = [guide(slope, (8.0, y), 2.0, BLUE) for slope, y in ((2, 64.0), (1, 60.0), (3, 63.0))]
    assert [(one.label, one.start) for one in guides] == [
        ("slope 2", (2.0, 4.0)),
        ("slope 1", (2.0, 15.0)),
        ("slope 3", (2.0, 63 / 64)),
    ]
    line = Series("a", [Datum(x, 8.0 * x, "") for x in (1, 2, 4, 8)], BLUE, CIRCLE)
    axes = (Axis("x", str, log=True, ticks=[(2, "2"), (8, "8")]), Axis("y", lambda y: f"{y:g}", log=True))
    chart = Chart("", "", "", *axes, [line], guides=guides)
    scales = frame(chart, [chart])
    assert scales.y.low < 63 / 64
    heights = scales.heights(guides)
    assert sorted(range(3), key=heights.__getitem__) == [1, 2, 0]
    assert all(b - a >= BETWEEN_LABELS - 1e-9 for a, b in pairwise(sorted(heights)))
    assert max(heights) <= 1
    same([chart])


def test_a_line_of_many_points_offers_some_and_draws_all() -> None:
    data = [Datum(x, x * x, f"{x}") for x in range(1, 500)]
    axis = Axis("", str)
    chart = Chart("", "", "squares", axis, axis, [Series("a", data, BLUE, CIRCLE)])
    drawn = markup.draw(chart, [chart])
    assert drawn.count('role="img"') == markup.MOST_POINTS
    assert 'aria-label="1"' in drawn
    assert 'aria-label="499"' in drawn
    (line, _) = re.findall(r'class="line" d="([^"]*)"', drawn)  # the other one is the legend's
    assert line.count("L") == 498


def test_dots_are_all_drawn_however_many_they_are() -> None:
    data = [Datum(x, x * x, f"{x}") for x in range(1, 100)]
    axis = Axis("", str)
    chart = Chart("", "", "squares", axis, axis, [Series("a", data, BLUE, CIRCLE, joined=False)])
    assert markup.draw(chart, [chart]).count('class="point"') == 99
    same([chart])
