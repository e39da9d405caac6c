"""From records to rows, table, answer, pictures and page; the records are made up, so every number is known."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest

import prograd
from prograd_experiments import jobs, records, schema
from prograd_experiments.charts import Chart, Map, palette
from prograd_experiments.collect import Collected, as_csv, collect
from prograd_experiments.errors import RecordError
from prograd_experiments.gather import gather
from prograd_experiments.speed_gap import groups, pictures, theory
from prograd_experiments.speed_gap.experiment import SpeedGap, gaps
from tests.helpers.drawn import same as drawn_alike
from tests.helpers.records import failed, failed_training, lay_out, record

pytestmark = pytest.mark.slow

COLUMNS = (
    *("status", "depth", "width", "data", "network", "activation", "loss", "batch", "dtype", "threads"),
    *("machine", "seed"),
    *("forward_s", "reverse_s", "gap", "multiply_adds_gap", "forward_iqr_s", "reverse_iqr_s", "gap_iqr"),
    *("forward_multiply_adds", "reverse_multiply_adds", "timings", "relative_difference", "parameters"),
    *("config_hash", "directory", "error", "unsteady"),
    *("forward_predicted_s", "reverse_predicted_s", "predicted_time_gap"),
)
"""As docs/experiments.md lists them."""

GAP_HEADINGS = ("gap: measured", "gap: predicted time", "gap: multiply-adds")
MAPS = ("Measured gap", "Gap in predicted time", "Gap in multiply-adds")


def power_law(depth: int, width: int) -> dict[str, Any]:
    return record(depth, width, forward=1e-6 * depth**2 * width**3, reverse=1e-5 * depth * width)


GRID = [power_law(depth, width) for width in (16, 8) for depth in (4, 2, 8)]


def table_of(directory: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(as_csv(gather(directory)).splitlines()))


def test_the_summary_has_its_columns_and_is_in_the_order_of_the_grid(tmp_path: Path) -> None:
    rows = table_of(lay_out(tmp_path, GRID))

    assert tuple(rows[0]) == COLUMNS
    assert [(row["depth"], row["width"]) for row in rows] == [(d, w) for d in "248" for w in ("8", "16")]
    assert float(rows[0]["gap"]) == pytest.approx(GRID[4]["gap"], rel=1e-15)
    assert float(rows[0]["forward_s"]) == GRID[4]["median"]["forward"]
    assert rows[0]["directory"] == "job4"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_text_is_no_formula_of_a_spreadsheet_and_no_command_of_a_terminal(tmp_path: Path, start: str) -> None:
    hostile = failed(2, 8)
    hostile["error"] |= {"type": f"{start}cmd|' /C calc'!A0", "message": "first\rnext\x1b[2J"}
    (row,) = table_of(lay_out(tmp_path, [hostile]))
    assert row["error"] == rf"'{start}cmd|' /C calc'!A0: first\rnext\x1b[2J"


def test_a_sweep_without_a_single_time_still_has_its_files(tmp_path: Path) -> None:
    collected = collect(lay_out(tmp_path, [failed(2, 8)]))
    assert all(path.stat().st_size > 0 for path in collected.files)
    assert "no gap to report" in collected.experiment.answer(collected.rows)


def test_one_point_and_one_mode_are_enough(tmp_path: Path) -> None:
    alone = record(2, 8, 1e-3, 1e-4)
    for key in ("timings", "median", "spread", "multiply_adds", "predicted_seconds"):
        del alone[key]["forward"]
    its = [alone[key] for key in ("timings", "multiply_adds", "predicted_seconds")]
    collected = collect(lay_out(tmp_path, [alone | gaps(*its)]))
    assert collected.table.texts()[0] == [
        "depth",
        "width",
        "reverse",
        "predicted",
        *GAP_HEADINGS,
        "timings",
    ]
    assert collected.whole


def test_a_third_mode_has_columns_at_the_end(tmp_path: Path) -> None:
    more = record(2, 8, 1e-3, 1e-4)
    its_own = {"timings": [2e-4] * 3, "median": 2e-4, "spread": 0.0, "multiply_adds": 64, "predicted_seconds": 3e-4}
    for key, value in its_own.items():
        more[key]["factored"] = value
    its = [more[key] for key in ("timings", "multiply_adds", "predicted_seconds")]
    collected = gather(lay_out(tmp_path, [*GRID, more | gaps(*its)]))
    (row,) = [row for row in table_of(tmp_path) if row["factored_s"]]

    further = ("factored_s", "factored_predicted_s", "factored_gap", "factored_iqr_s", "factored_multiply_adds")
    assert tuple(row) == (*COLUMNS[:-1], *further, COLUMNS[-1])
    assert float(row["factored_gap"]) == pytest.approx(2.0)
    assert float(row["factored_predicted_s"]) == 3e-4
    assert "factored" in collected.table.texts()[0]


def test_what_varies_beside_depth_and_width_is_told_apart(tmp_path: Path) -> None:
    made = [record(2, 8, 1e-3, 1e-4, batch=1), record(2, 8, 2e-3, 1e-4, batch=32), record(2, 8, 3e-3, 1e-4, seed=1)]
    collected = gather(lay_out(tmp_path, made))
    assert collected.table.texts()[0][:4] == ["depth", "width", "batch", "seed"]
    assert len(groups.groups(collected.rows)) == 2  # seeds repeat a point, batches are another


def test_the_answer_has_both_raw_times_and_claims_growth_only_where_it_is(tmp_path: Path) -> None:
    rows = gather(lay_out(tmp_path, GRID)).rows
    text = SpeedGap().answer(rows)
    assert text == (
        "On digits (1 sample), forward mode takes 12.8 to 205 times as long as reverse mode: 2.05 ms against 160 µs "
        "for one gradient at depth 2, width 8, 262 ms against 1.28 ms at depth 8, width 16. The gap grows with the "
        "width (8 to 16) and with the depth (2 to 8)."
    )
    flat = [{**row, "gap": 3.0} if row["depth"] == 4 else row for row in rows]
    assert "depth (" not in SpeedGap().answer(flat)


def test_slopes_are_those_of_the_power_law(tmp_path: Path) -> None:
    against_depth, *_ = pictures.pictures(gather(lay_out(tmp_path, GRID)).rows)
    entries = {group: [series.entry for series in members] for group, members in against_depth.legend}
    assert entries == {
        mode: [f"width {width}: slope {slope} ± 0.07" for width in (8, 16)]
        for mode, slope in (("forward", "2.00"), ("reverse", "1.00"))
    }
    assert groups.fitted_slope([3], [1.0]) is None


def test_guides_have_the_slopes_of_the_theory(tmp_path: Path) -> None:
    drawn = pictures.pictures(gather(lay_out(tmp_path, [*GRID, failed(16, 8)])).rows)
    guides = [{guide.colour: guide for guide in picture.guides} for picture in drawn[:2]]
    for axis, along in zip(("depth", "width"), guides, strict=True):
        for mode in ("forward", "reverse"):
            guide = along[palette.of_mode(mode)]
            (x, y), (last, top) = guide.start, guide.end
            assert math.log(top / y) / math.log(last / x) == pytest.approx(theory.SLOPES[mode][axis])
            assert guide.label == f"slope {theory.SLOPES[mode][axis]}"
            highest = max(row["median"][mode] for row in GRID)
            assert (last, top) == ({"depth": 8, "width": 16}[axis], pytest.approx(pictures.ABOVE * highest))
    assert all(pictures.THEORY in picture.foot for picture in drawn[:2])
    drawn_alike(drawn)


@pytest.mark.parametrize(
    ("made", "number"),
    [
        ([power_law(depth, 8) for depth in (2, 4)], 2),
        ([power_law(2, 8), failed(4, 8)], 0),
        ([record(2, width, 1e-3, 1e-4, network={"name": "residual", "layer": None}) for width in (8, 16)], 2),
        ([record(2, width, 1e-3, 1e-4, network={"name": "hourglass", "bottleneck": 2}) for width in (8, 16)], 0),
        ([record(2, width, 1e-3, 1e-4, network={"name": "mlp", "layer": "scale_shift"}) for width in (8, 16)], 0),
        ([record(2, 8, 1e-3, 1e-4, rank=rank) for rank in (1, 2)], 0),
    ],
    ids=["depth", "one measured", "residual", "hourglass", "other layer", "other key"],
)
def test_guides_are_only_where_the_theory_holds_and_two_points_vary(
    tmp_path: Path, made: list[dict[str, Any]], number: int
) -> None:
    times, *_ = pictures.pictures(gather(lay_out(tmp_path, made)).rows)
    assert len(times.guides) == number
    assert (pictures.THEORY in times.foot) == bool(number)


@pytest.mark.parametrize("mode", theory.SLOPES)
@pytest.mark.parametrize("along", ["depth", "width"])
def test_large_networks_have_the_slopes_of_the_theory(mode: str, along: str) -> None:
    def multiply_adds(depth: int, width: int) -> int:
        layers = [prograd.layer("affine", width=width), prograd.layer("tanh")] * (depth - 1)
        net = prograd.Network([*layers, prograd.layer("affine", width=10)], n_in=64)
        return prograd.plan(net, modes=[mode]).cost.multiply_adds

    few, many = ((32, 16), (64, 16)) if along == "depth" else ((8, 512), (8, 1024))
    assert math.log2(multiply_adds(*many) / multiply_adds(*few)) == pytest.approx(theory.SLOPES[mode][along], abs=0.2)


def test_the_map_shows_every_gap_with_both_times(tmp_path: Path) -> None:
    _, _, measured, predicted, counted = pictures.pictures(gather(lay_out(tmp_path, [*GRID, failed(2, 32)])).rows)
    expected = (
        {"12.8× 2.05 ms / 160 µs", "205× 262 ms / 1.28 ms", "failed", "no job"},
        {"6.40× 1.02 ms / 160 µs", "102× 131 ms / 1.28 ms", "failed", "no job"},
        {"64.0× 1.02 k / 16", "256× 32.8 k / 128", "failed", "no job"},
    )
    for shown, some in zip((measured, predicted, counted), expected, strict=True):
        assert some <= {" ".join([tile.text, *tile.small]) for row in shown.tiles for tile in row}


@pytest.mark.parametrize(
    ("made", "titles"),
    [
        (GRID, ["against depth", "against width", *MAPS]),
        ([power_law(depth, 8) for depth in (2, 4)], ["against depth", "Gap against depth"]),
        ([power_law(2, width) for width in (8, 16)], ["against width", "Gap against width"]),
        ([power_law(2, 8)], ["at depth 2, width 8", "Gap"]),
        ([failed(2, 8), failed(4, 8)], ["against depth", "Gap against depth"]),
        ([failed(2, 8)], ["at depth 2, width 8"]),
        ([*GRID, failed(4, 32)], ["against depth", "against width", *MAPS]),
    ],
    ids=["grid", "depth", "width", "point", "depth failed", "point failed", "one failed"],
)
def test_what_varies_is_drawn_and_poster_and_page_are_the_same(
    tmp_path: Path, made: list[dict[str, Any]], titles: list[str]
) -> None:
    drawn = pictures.pictures(gather(lay_out(tmp_path, made)).rows)
    assert len(drawn) == len(titles)
    assert all(title in picture.title for title, picture in zip(titles, drawn, strict=True))
    drawn_alike(drawn)


def test_failed_points_are_marked_in_every_picture(tmp_path: Path) -> None:
    drawn = pictures.pictures(gather(lay_out(tmp_path, [*GRID, failed(4, 32)])).rows)
    charts = [picture for picture in drawn if isinstance(picture, Chart)]
    marks = [datum for chart in charts for series in chart.series for datum in series.data if datum.y is None]
    assert [(datum.x, datum.tooltip) for datum in marks] == [
        (at, "depth 4, width 32: failed, MemoryError: too <large>") for at in (4, 32)
    ]
    assert {series.colour for chart in charts for series in chart.series if series.name == "no time"} == {
        palette.FAILED
    }
    for picture in drawn:
        if isinstance(picture, Map):
            assert [tile.text for row in picture.tiles for tile in row].count("failed") == 1


def test_groups_beyond_the_most_are_mentioned(tmp_path: Path) -> None:
    rows = gather(lay_out(tmp_path, [record(2, 8, 1e-3, 1e-4, batch=batch) for batch in range(1, 7)])).rows
    drawn = pictures.pictures(rows)
    assert len({picture.heading for picture in drawn}) == pictures.MOST_GROUPS
    assert [picture.note for picture in drawn if picture.note] == ["The table has 2 more groups of points."]


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_poster_in_each_format_is_the_same_every_time(tmp_path: Path, kind: str, begin: bytes) -> None:
    directory = lay_out(tmp_path, GRID)
    once, again = (collect(directory, [kind]).directory.joinpath(f"speed_gap.{kind}").read_bytes() for _ in range(2))
    assert once.startswith(begin)
    assert once == again


def test_records_of_several_or_unknown_experiments_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, [GRID[0], failed_training()])
    with pytest.raises(RecordError, match="got several"):
        gather(tmp_path)
    records.write(tmp_path / "job0", GRID[0] | {"experiment": "other"})
    with pytest.raises(RecordError, match="got the experiment 'other'"):
        records.read(tmp_path / "job0" / records.NAME)
    assert set(schema.KINDS) == set(jobs.EXPERIMENTS)


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
    assert ["4", "32", "failed", *"–––––"] in results.table.texts()
    assert "MemoryError: too &lt;large&gt;" in page
    assert "<large>" not in page
    assert "1 of 7 points gave no time" in page


def test_a_file_that_is_no_record_is_left_out_and_listed(collected) -> None:
    results, directory = collected
    assert len(results.rows) == 7
    assert [file.path for file in results.unreadable] == [directory / "job7" / "record.json"]
    assert "broken JSON" in (directory / "report.html").read_text()
