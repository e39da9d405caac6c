"""From records to rows, table, answer, pictures and page; the records are made up, so every number is known."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments import records
from prograd_experiments.collect import Collected, as_csv, collect
from prograd_experiments.errors import RecordError
from prograd_experiments.gather import gather
from prograd_experiments.speed_gap import figures, groups, panels, summary
from prograd_experiments.speed_gap.measure import gaps
from tests.helpers.records import failed, lay_out, record

pytestmark = pytest.mark.slow


def power_law(depth: int, width: int) -> dict[str, Any]:
    return record(depth, width, forward=1e-6 * depth**2 * width**3, reverse=1e-5 * depth * width)


GRID = [power_law(depth, width) for width in (16, 8) for depth in (4, 2, 8)]


def table_of(directory: Path) -> list[dict[str, str]]:
    gathered = gather(directory)
    text = as_csv(gathered.experiment.columns(gathered.records), gathered.rows)
    return list(csv.DictReader(text.splitlines()))


def test_the_summary_has_its_columns_and_is_in_the_order_of_the_grid(tmp_path: Path) -> None:
    rows = table_of(lay_out(tmp_path, GRID))

    assert tuple(rows[0]) == summary.COLUMNS
    assert [(row["depth"], row["width"]) for row in rows] == [(d, w) for d in "248" for w in ("8", "16")]
    assert float(rows[0]["gap"]) == pytest.approx(GRID[4]["gap"], rel=1e-15)
    assert float(rows[0]["forward_s"]) == GRID[4]["median"]["forward"]
    assert rows[0]["directory"] == "job4"


def test_a_sweep_without_a_single_time_still_has_its_files(tmp_path: Path) -> None:
    collected = collect(lay_out(tmp_path, [failed(2, 8)]))
    assert all(path.stat().st_size > 0 for path in collected.files)
    assert "no gap to tell" in collected.experiment.answer(collected.rows)


def test_one_point_and_one_mode_are_enough(tmp_path: Path) -> None:
    alone = record(2, 8, 1e-3, 1e-4)
    for key in ("samples", "median", "spread", "multiply_adds"):
        del alone[key]["forward"]
    collected = collect(lay_out(tmp_path, [alone | gaps(alone["samples"], alone["multiply_adds"])]))
    assert collected.experiment.table(collected.rows).texts()[0] == [
        "depth",
        "width",
        "reverse",
        "gap",
        "predicted",
        "samples",
    ]
    assert collected.whole


def test_a_third_mode_has_columns_at_the_end(tmp_path: Path) -> None:
    more = record(2, 8, 1e-3, 1e-4)
    for key, value in (("samples", [2e-4] * 3), ("median", 2e-4), ("spread", 0.0), ("multiply_adds", 64)):
        more[key]["factored"] = value
    collected = gather(lay_out(tmp_path, [*GRID, more | gaps(more["samples"], more["multiply_adds"])]))
    (row,) = [row for row in table_of(tmp_path) if row["factored_s"]]

    assert list(row)[: len(summary.COLUMNS)] == list(summary.COLUMNS)
    assert float(row["factored_gap"]) == pytest.approx(2.0)
    assert "factored" in collected.experiment.table(collected.rows).texts()[0]


def test_what_varies_beside_depth_and_width_is_told_apart(tmp_path: Path) -> None:
    made = [record(2, 8, 1e-3, 1e-4, batch=1), record(2, 8, 2e-3, 1e-4, batch=32), record(2, 8, 3e-3, 1e-4, seed=1)]
    collected = gather(lay_out(tmp_path, made))
    assert collected.experiment.table(collected.rows).texts()[0][:4] == ["depth", "width", "batch", "seed"]
    assert len(groups.groups(collected.rows)) == 2  # seeds repeat a point, batches are another


def test_the_answer_has_both_raw_times_and_claims_growth_only_where_it_is(tmp_path: Path) -> None:
    rows = gather(lay_out(tmp_path, GRID)).rows
    text = summary.answer(rows)
    assert text == (
        "On digits (1 sample), forward mode takes 12.8 to 205 times as long as reverse mode: 2.05 ms against 160 µs "
        "for one gradient at depth 2, width 8, 262 ms against 1.28 ms at depth 8, width 16. The gap grows with the "
        "width and with the depth throughout."
    )
    flat = [{**row, "gap": 3.0} if row["depth"] == 4 else row for row in rows]
    assert "throughout" not in summary.answer(flat)


def test_slopes_are_those_of_the_power_law(tmp_path: Path) -> None:
    rows = gather(lay_out(tmp_path, GRID)).rows
    (group,) = groups.groups(rows)
    figure = figures.Figure()
    axes = figure.subplots()
    panels.draw_times(axes, group, ["forward", "reverse"], along="depth", lines="width")
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    forward, reverse = ([f"width {width}: slope {slope}" for width in (8, 16)] for slope in ("2.00", "1.00"))
    assert labels == ["forward", *forward, "reverse", *reverse]
    assert groups.fitted_slope([3], [1.0]) is None


def test_the_heat_map_shows_every_gap_with_both_times(tmp_path: Path) -> None:
    rows = gather(lay_out(tmp_path, [*GRID, failed(2, 32)])).rows
    (group,) = groups.groups(rows)
    axes = figures.Figure().subplots()
    panels.draw_gap(axes, group, "gap")
    texts = [text.get_text() for text in axes.texts]
    assert {"12.8×", "2.05 ms / 160 µs", "205×", "262 ms / 1.28 ms", "failed", "no job"} <= set(texts)


def test_records_of_several_or_unknown_experiments_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, [GRID[0], GRID[1] | {"experiment": "other"}])
    with pytest.raises(RecordError, match="several experiments"):
        gather(tmp_path)
    records.write(tmp_path / "job0", GRID[0] | {"experiment": "other"})
    with pytest.raises(RecordError, match="unknown experiment 'other'"):
        gather(tmp_path)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collected, Path]:
    """The results of a grid with one failed job, and one file that holds no record."""
    directory = lay_out(tmp_path_factory.mktemp("grid"), [*GRID, failed(4, 32), GRID[0]])
    (directory / "job7" / "record.json").write_text("{")
    return collect(directory), directory


def test_collecting_again_changes_nothing(collected) -> None:
    first, directory = collected
    contents = [path.read_bytes() for path in first.files]
    assert [path.read_bytes() for path in collect(directory).files] == contents


def test_a_failed_point_stands_in_table_csv_and_page(collected) -> None:
    results, directory = collected
    page = (directory / "report.html").read_text()
    row = next(row for row in table_of(directory) if row["width"] == "32")

    assert not results.whole
    assert (row["status"], row["gap"], row["error"]) == ("failed", "", "MemoryError: too <large>")
    assert ["4", "32", "failed", *"––––"] in results.experiment.table(results.rows).texts()
    assert "MemoryError: too &lt;large&gt;" in page
    assert "<large>" not in page
    assert "1 of 7 points gave no time" in page


def test_a_file_that_is_no_record_is_left_out_and_listed(collected) -> None:
    results, directory = collected
    assert len(results.rows) == 7
    assert [file.path for file in results.unreadable] == [directory / "job7" / "record.json"]
    assert "not whole JSON" in (directory / "report.html").read_text()
