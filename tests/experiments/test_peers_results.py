"""What a comparison says of its records: summary, table, answer and pictures; the times are made up."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments import config as reading
from prograd_experiments import records
from prograd_experiments.charts.palette import CROSS, FAILED
from prograd_experiments.collect import collect
from prograd_experiments.peers import compare, measure, pictures
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.experiment import Peers
from tests.helpers.configs import peers_config
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import lay_out

RATIOS = ("prograd_to_floor", "best_peer_to_prograd", "best_peer_to_floor")
COLUMNS = (
    *("status", "task", "depth", "width", "batch", "dtype", "threads", "machine", "seed", *RATIOS),
    *(f"{name}_{what}" for what in ("s", "iqr_s", "outcome") for name in ENGINES),
    *("best_peer", *(f"{ratio}_iqr" for ratio in RATIOS), *(f"{name}_to_floor" for name in measure.PEERS)),
    *("config_hash", "directory", "error"),
)
"""As docs/performance.md lists them."""


def made_up(point: str, times: dict[str, float], **outcomes: tuple[str, str]) -> dict[str, Any]:
    checked = peers_config(point, engines=list(ENGINES))
    timings = {name: [time * f for f in (0.92, 1.0, 1.2)] for name, time in times.items()}
    found = {name: compare.outcome(*f"{name}/".split("/")[:2], "timed", "") for name in times}
    found |= {name: compare.outcome(name, "", *what) for name, what in outcomes.items()}
    return {
        "schema": records.SCHEMA,
        "experiment": "peers",
        "status": "complete",
        "config": checked,
        "config_hash": reading.config_hash(checked),
        "error": None,
        **measure.results(found, measure.Rounds(timings, dict.fromkeys(timings, 1), {})),
    }


REVERSE = made_up(
    "reverse:4:64:1",
    {"floor": 1e-5, "floor_mkl": 9e-6, "prograd": 2e-5, "numpy": 3e-5, "jax": 5e-5},
    torch=("too slow", "> 20 s"),
    torch_compile=("died", "killed"),
    autograd=("not installed", "No module named 'autograd'"),
)
JACOBIAN = made_up(
    "jacobian:2:16:1",
    {"prograd": 2e-4, "prograd/reverse": 2e-4, "prograd/forward": 3e-4, "jax/jacrev": 5e-4, "jax/jacfwd": 4e-4},
    floor=("no such task", ""),
)


def test_the_summary_has_times_ratios_and_who_was_best(tmp_path: Path) -> None:
    collected = collect(lay_out(tmp_path, [JACOBIAN, REVERSE]))
    with (tmp_path / "summary.csv").open(newline="") as file:
        reverse, jacobian = csv.DictReader(file)
    assert tuple(reverse)[: len(COLUMNS)] == COLUMNS
    assert float(reverse["prograd_to_floor"]) == pytest.approx(2)
    assert float(reverse["best_peer_to_prograd"]) == pytest.approx(1.5)
    assert (reverse["best_peer"], reverse["torch_outcome"], reverse["torch_s"]) == ("numpy", "too slow", "")
    assert (jacobian["best_peer"], jacobian["prograd_to_floor"]) == ("jax/jacfwd", "")
    assert float(jacobian["jax_s"]) == float(jacobian["jax_jacfwd_s"]) == 4e-4
    assert float(jacobian["prograd_forward_s"]) == 3e-4
    assert collected.whole
    assert {path.name for path in collected.files} == {"summary.csv", "peers.png", "report.html"}


def test_the_table_shows_times_and_why_there_are_none(tmp_path: Path) -> None:
    table = collect(lay_out(tmp_path, [REVERSE, JACOBIAN])).table
    spaced = [[text.replace("\N{NO-BREAK SPACE}", " ") for text in line] for line in table.texts()]
    heading, reverse, jacobian = spaced
    assert heading == ["task", "point", "machine", "prograd / floor", "best peer / prograd", *ENGINES, "timings"]
    # The made-up timings rise and fall together, so that their ratios have no spread.
    assert reverse[:6] == ["reverse", "4:64:1", "–", "2.00× ± 0.00", "1.50× ± 0.00", "10.0 µs ±7%"]
    assert reverse[6:8] == ["9.00 µs ±7%", "20.0 µs ±7%"]  # the floor by MKL is no peer
    assert reverse[10:] == ["> 20 s", "died", "not installed", "3"]
    assert jacobian[3:10] == ["–", "2.00× ± 0.00", "–", "–", "200 µs ±7%", "–", "400 µs ±7%"]


def test_the_answer_has_the_ratios_with_both_times(tmp_path: Path) -> None:
    rows = collect(lay_out(tmp_path, [REVERSE, JACOBIAN])).rows
    assert Peers().answer(rows) == (
        "Gradient in reverse mode: prograd takes 2.00× the time of the bare products in the median, at most 2.00× at "
        "4:64:1 (20.0 µs against 10.0 µs); it is 1.50× as fast as the best peer in the median, at least 1.50× at "
        "4:64:1 (20.0 µs against 30.0 µs, numpy). Jacobian of the network: prograd is 2.00× as fast as the best peer "
        "in the median, at least 2.00× at 2:16:1 (200 µs against 400 µs, jax/jacfwd). Not installed: autograd (the "
        "extra peers has them)."
    )


def test_pictures_show_a_dot_for_each_time(tmp_path: Path) -> None:
    rows = collect(lay_out(tmp_path, [REVERSE, JACOBIAN])).rows
    first, second = pictures.pictures(rows)
    assert {series.name: series.data[0].x for series in first.series} == pytest.approx(
        {"floor": 1, "prograd": 2, "numpy": 3, "jax": 5}
    )
    (jax,) = (series.data[0] for series in first.series if series.name == "jax")
    assert jax.tooltip == "4:64:1, jax: 5.00× the time of floor, middle half 5.00× to 5.00×; 50.0 µs, 3 timings"
    assert "over that of prograd" in second.alt
    drawn_alike([first, second])


def test_every_engine_has_a_colour_and_a_marker_of_its_own() -> None:
    assert set(pictures.LOOKS) == set(ENGINES) - {"floor_mkl"}
    colours, markers = zip(*pictures.LOOKS.values(), strict=True)
    assert len({*colours, FAILED}) == len({*markers, CROSS}) == len(pictures.LOOKS) + 1


def test_points_without_any_time_still_make_a_page(tmp_path: Path) -> None:
    empty = made_up("reverse:2:8:1", {}, prograd=("memory", "too large"))
    failed = {**REVERSE, "status": "failed", "error": {"type": "E", "message": "m", "traceback": "t"}}
    kept = {key: failed[key] for key in ("schema", "experiment", "status", "config", "config_hash", "error")}
    collected = collect(lay_out(tmp_path, [empty, kept]))
    assert Peers().answer(collected.rows) == "1 of 2 points gave no time: see the table."
    (chart,) = pictures.pictures(collected.rows)
    assert [datum.tooltip for series in chart.series for datum in series.data] == ["4:64:1: failed, E: m"]
    drawn_alike([chart])
    assert not collected.whole
