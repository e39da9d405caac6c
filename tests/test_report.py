"""The page of one sweep and of several: what it says, and that it works for who clicks, types, or has a phone."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from prograd_experiments import commands
from prograd_experiments.charts import Axis, Chart, Point, Series
from prograd_experiments.collect import collect
from prograd_experiments.gather import gather
from prograd_experiments.report import compare, heatmap, plot, scale
from tests.browser import PROGRAM, Tab, browser
from tests.made_up import ENVIRONMENT, failed, lay_out, record

CSS = (resources.files("prograd_experiments") / "templates" / "report.css").read_text("utf-8")


def sweep(factor: float, **config: Any) -> list[dict[str, Any]]:
    """Reverse mode takes 100 µs · depth, forward mode 1, 3, 2 and 4 ms, all times `factor`."""
    times = {(2, 8): 1e-3, (2, 16): 3e-3, (4, 8): 2e-3, (4, 16): 4e-3}
    return [record(*at, forward * factor, 1e-4 * at[0] * factor, **config) for at, forward in times.items()]


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sweeps of the same points; the second takes half the time on two threads, and one of its points failed."""
    root = tmp_path_factory.mktemp("sweeps")
    old, new = root / "old", root / "new"
    new_records = sweep(0.5, threads=2)
    for one in new_records:
        one["environment"] = copy.deepcopy(ENVIRONMENT) | {"python": "3.13.1"}
    new_records[3] = failed(4, 16)
    new_records[3]["config"]["threads"] = 2
    for folder, made in ((old, sweep(1.0)), (new, new_records)):
        folder.mkdir()
        collect(lay_out(folder, made))
    return old, new


@pytest.fixture(scope="module")
def comparison(sweeps: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page") / "c.html"
    done = CliRunner().invoke(commands.report, [*map(str, sweeps), "--output", str(output)])
    assert done.exit_code == 1, done.output  # a point failed
    assert f"{sweeps[1]}: 4 points: 3 complete, 1 failed" in done.output
    return output


class Reader(HTMLParser):
    """The cells of a page's tables by their headings of rows, and what the page would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.links: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for key, value in attrs if key in {"src", "href"} and value is not None]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"th", "td"}:
            self.tables[-1][-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"th", "td"}

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.tables[-1][-1][-1] += data

    def table(self, heading: str) -> list[list[str]]:
        return next(table for table in self.tables if any(heading in line for line in table))


def test_the_page_of_a_sweep_is_what_the_command_makes_of_one_directory(sweeps: tuple[Path, Path]) -> None:
    written = sweeps[0] / "report.html"
    before = written.read_bytes()
    written.unlink()
    done = CliRunner().invoke(commands.report, [str(sweeps[0])])
    assert done.exit_code == 0
    assert done.output.endswith(f"{written}\n")
    assert written.read_bytes() == before


def test_sweeps_are_compared_point_by_point(comparison: Path) -> None:
    table = Reader(comparison.read_text("utf-8")).table("forward B / A")
    above, heading, *lines = table
    assert above == ["depth", "width", "threads", "B / A", "A: old", "B: new"]
    each = ["forward", "reverse", "gap", "predicted", "samples"]
    assert heading == ["forward B / A", "reverse B / A", "gap B / A", *each, *each]
    # Three samples each, 0.9, 1 and 1.2 times the median: the quartiles of the nine ratios are 0.9 and 1.11.
    assert lines[0] == [
        *("2", "8", "1 | 2", "0.500× ± 0.053", "0.500× ± 0.053", "1.00× ± 0.00"),
        *("1.00 ms ± 0.07", "200 µs ± 15", "5.00× ± 0.00", "64.0×", "3"),
        *("500 µs ± 38", "100 µs ± 8", "5.00× ± 0.00", "64.0×", "3"),
    ]  # fmt: skip
    assert [line[:2] for line in lines] == [["2", "8"], ["2", "16"], ["4", "8"], ["4", "16"]]
    assert lines[3][3:6] == ["–"] * 3
    assert lines[3][-5:] == ["failed", *"––––"]


def test_what_differs_is_told_and_nothing_else(comparison: Path) -> None:
    text = comparison.read_text("utf-8")
    differences = next(table for table in Reader(text).tables if table[0] == ["", "A: old", "B: new"])
    assert differences[1:] == [["threads", "1", "2"], ["Python", "3.12.0", "3.13.1"]]
    assert "forward: 0.500× in the median over 3 points (from 0.500× to 0.500×)." in text


def test_the_page_stands_alone_and_escapes_what_it_is_given(comparison: Path) -> None:
    text = comparison.read_text("utf-8")
    assert set(Reader(text).links) == {"data:,", "#pictures-1", "#points"}
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(", text)
    assert "A &lt;fast&gt; processor" in text
    assert "MemoryError: too &lt;large&gt;" in text
    assert "<large>" not in text


def test_points_that_only_one_sweep_has_are_no_job_in_the_other(tmp_path: Path) -> None:
    for name, made in (("a", sweep(1.0)[:2]), ("b", sweep(1.0)[1:])):
        (tmp_path / name).mkdir()
        lay_out(tmp_path / name, made)
    found = compare.compare([gather(tmp_path / "a"), gather(tmp_path / "b")])
    assert found.lines == [[0, None], [1, 0], [None, 1], [None, 2]]
    assert found.ratios[0].summed_up()[0] == "forward: 1.00× in the median over one point."


def test_directories_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    def report(*directories: Path) -> tuple[int, str]:
        done = CliRunner().invoke(commands.report, [*map(str, directories), "-o", str(tmp_path / "page.html")])
        return done.exit_code, done.output

    good, empty, other, broken = (tmp_path / name for name in ("good", "empty", "other", "broken"))
    for folder in (good, empty, other, broken):
        folder.mkdir()
    lay_out(good, sweep(1.0))
    lay_out(broken, sweep(1.0))
    (broken / "job2" / "record.json").write_text('{"schema": ')
    lay_out(other, [sweep(1.0)[0] | {"experiment": "peers"}])
    assert report(good, tmp_path / "none") == (2, f"prograd report: {tmp_path / 'none'}: no such directory\n")
    code, text = report(good, empty)
    assert (code, text.startswith(f"prograd report: {empty}: no record.json in this directory")) == (2, True)
    code, text = report(good, other)
    assert code == 2
    assert f"{other}: records of peers, and those in {good} are of speed_gap" in text
    assert not (tmp_path / "page.html").exists()
    code, text = report(good, broken)
    assert code == 1
    assert f"{broken}: 3 points: 3 complete, 1 file that can't be read" in text
    assert f"left out {broken / 'job2' / 'record.json'}: not whole JSON" in text
    assert "job2/record.json</code>: not whole JSON" in (tmp_path / "page.html").read_text("utf-8")


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_pictures_have_enough_contrast(scheme: int) -> None:
    """As WCAG 2.2 asks at level AA: 4.5 for text, 3 for lines and marks, the palest of them too."""
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", block))
    for text in ("ink", "soft", "accent", "alarm"):
        for ground in ("paper", "ground"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for number in range(7):
        own, paper = (
            [int(colours[name][place : place + 2], 16) for place in (1, 3, 5)] for name in (f"s{number}", "paper")
        )
        palest = "#" + "".join(f"{round(0.8 * a + 0.2 * b):02x}" for a, b in zip(own, paper, strict=True))
        assert contrast(palest, colours["paper"]) >= 3, number


def test_every_colour_of_a_map_carries_its_ink() -> None:
    (ink,) = re.findall(r"\.map td \{ color: (#\w+)", CSS)
    assert min(contrast(heatmap.colour(part / 20), ink) for part in range(21)) >= 4.5


def test_no_text_is_small() -> None:
    sizes = re.findall(r"font-size: (?:clamp\()?([\d.]+)(rem|px)", CSS)
    assert len(sizes) > 5
    assert min(float(size) * (16 if unit == "rem" else 1) for size, unit in sizes) >= 16


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


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    if PROGRAM is None:
        pytest.skip("there is no Chromium here; the Debian package chromium has it")
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


POINTS = (
    "[...document.querySelectorAll('.sortable tbody tr')]"
    ".map(row => row.cells[0].textContent + ':' + row.cells[1].textContent)"
)
SHOWN = "document.getElementById('tip').hidden ? null : document.getElementById('tip').textContent"


def sorts(tab: Tab) -> dict[str, str]:
    script = "Object.fromEntries([...document.querySelectorAll('th[aria-sort]')].map(h => [h.textContent, h.ariaSort]))"
    return {name: state for name, state in tab.ask(script).items() if state != "none"}


def test_the_table_is_sorted_by_pointer_and_by_keyboard(tab: Tab, sweeps: tuple[Path, Path], comparison: Path) -> None:
    tab.open(sweeps[1] / "report.html", 1280)
    assert tab.ask(POINTS) == ["2:8", "2:16", "4:8", "4:16"]
    tab.point("th[data-column]:nth-child(3) button", click=True)
    assert sorts(tab) == {"forward": "ascending"}
    assert tab.ask(POINTS) == ["2:8", "4:8", "2:16", "4:16"]  # what failed has no time, and comes last
    tab.press("Enter")  # the heading that was clicked has the focus
    assert sorts(tab) == {"forward": "descending"}
    assert tab.ask(POINTS) == ["2:16", "4:8", "2:8", "4:16"]
    assert tab.ask("document.getElementById('sorted').textContent") == "Sorted by forward, descending."
    tab.ask("document.querySelector('th[data-column] button').focus()")
    tab.press("Tab")
    tab.press("Enter")
    assert sorts(tab) == {"width": "ascending"}

    tab.open(comparison, 1280)
    tab.point("thead tr:last-child th:nth-child(4) button", click=True)  # forward of A
    assert tab.ask(POINTS) == ["2:8", "4:8", "2:16", "4:16"]
    assert tab.complaints == []
    opened = {path.as_uri() for path in (sweeps[1] / "report.html", comparison)}
    assert {url for url in tab.requests if not url.startswith("data:")} == opened


def test_values_are_told_to_pointer_and_keyboard(tab: Tab, sweeps: tuple[Path, Path]) -> None:
    tab.open(sweeps[1] / "report.html", 1280)
    assert tab.ask(SHOWN) is None
    tab.point("svg.plot .point")
    assert tab.ask(SHOWN) == "depth 2, width 8, forward: 500 µs, middle half 475 µs to 550 µs, 3 samples"
    tab.press("Escape")
    assert tab.ask(SHOWN) is None

    tab.ask("document.querySelector('svg.plot .point').focus()")
    told = [tab.ask(SHOWN)]
    for key in ("ArrowRight", "ArrowDown", "End"):
        tab.press(key)
        told.append(tab.ask(SHOWN))
    assert [text.partition(":")[0] for text in told] == [
        "depth 2, width 8, forward", "depth 4, width 8, forward", "depth 2, width 16, forward", "depth 4, width 16",
    ]  # fmt: skip
    assert told[-1] == "depth 4, width 16: failed, MemoryError: too <large>"
    assert tab.ask("document.querySelectorAll('.plot')[0].querySelectorAll('[tabindex=\"0\"]').length") == 1
    tab.press("Tab")  # one stop for each picture
    assert tab.ask(SHOWN).startswith("depth 2, width 8, forward: 500 µs")
    assert tab.ask("document.activeElement.closest('.plot') === document.querySelectorAll('.plot')[1]")
    tab.press("Tab")
    assert tab.ask(SHOWN) == "depth 2, width 8: forward / reverse 5.00× ± 0; 500 µs / 100 µs, 3 samples"
    assert tab.complaints == []


def test_skip_links_come_first_and_lead_past_the_head(tab: Tab, comparison: Path) -> None:
    tab.open(comparison, 1280)
    tab.press("Tab")
    tab.press("Tab")
    assert tab.ask("document.activeElement.textContent") == "Skip to the table of all points"
    assert tab.ask("document.activeElement.getBoundingClientRect().left >= 0")
    assert tab.ask("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    tab.press("Enter")
    assert tab.ask("document.activeElement.id") == "points"
    levels = tab.ask("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tab.ask("[...document.querySelectorAll('table')].every(t => t.caption || t.ariaLabel)")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_scrolls_down_alone_and_shows_no_small_text(tab: Tab, comparison: Path, *, dark: bool) -> None:
    tab.open(comparison, 390, 844, dark=dark)
    assert tab.ask("document.documentElement.scrollWidth") == 390
    assert tab.ask("document.querySelector('.sortable').getBoundingClientRect().width") > 390  # in a box of its own
    script = (
        "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.textContent.trim() && e.tagName !== 'svg')"
        ".map(e => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement ? e.getScreenCTM().a : 1)))"
    )
    assert tab.ask(script) >= 15.4  # 16, but for the fraction by which a picture shrinks on this width
    grounds = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert (grounds == "rgb(14, 19, 24)") == dark
