"""The page of a sweep and of several works for who clicks, types, likes it dark, or has a phone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from prograd_experiments.collect import collect
from tests.helpers.browser import PROGRAM, Tab, browser
from tests.helpers.records import lay_out, record
from tests.helpers.sweeps import compared, two_sweeps

pytestmark = pytest.mark.starts_processes


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_sweeps(tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="module")
def comparison(sweeps: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared(sweeps, tmp_path_factory.mktemp("page") / "c.html")


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
    assert tab.ask(SHOWN) == "depth 2, width 8, forward: 500 µs, middle half 475 µs to 550 µs, 3 timings"
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
    assert tab.ask(SHOWN) == "depth 2, width 8: forward / reverse 5.00× ± 0; 500 µs / 100 µs, 3 timings"
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


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_pictures_fill_their_column_and_their_labels_do_not_overlap(tab: Tab, tmp_path: Path, width: int) -> None:
    made = [record(depth, size, 1e-4 * size * depth, 1e-5) for depth in (1, 2, 3, 4, 5, 6, 7, 8) for size in (8, 256)]
    tab.open(collect(lay_out(tmp_path, made)).directory / "report.html", width)
    edges = tab.ask(
        "[...document.querySelectorAll('.frame')].map(frame => [frame, frame.closest('figure')]"
        ".flatMap(e => (({left, right}) => [left, right])(e.getBoundingClientRect())))"
    )
    assert len(edges) == 2
    assert all(edge[:2] == pytest.approx(edge[2:], abs=1) for edge in edges)
    boxes = tab.ask(
        "[...document.querySelectorAll('.frame')].map(frame => [...frame.querySelectorAll('text')].map(text => "
        "(({left, right, top, bottom}) => [text.textContent, left, right, top, bottom])(text.getBoundingClientRect())))"
    )
    for (left, right, *_), labels in zip(edges, boxes, strict=True):
        assert all(left <= start and end <= right for _, start, end, _, _ in labels)
        for (one, left_1, right_1, top_1, bottom_1), (other, left_2, right_2, top_2, bottom_2) in combinations(
            labels, 2
        ):
            apart = right_1 <= left_2 or right_2 <= left_1 or bottom_1 <= top_2 or bottom_2 <= top_1
            assert apart, (one, other)


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
