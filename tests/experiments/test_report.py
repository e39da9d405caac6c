"""The page of one sweep and of several: what it says, compares, escapes and refuses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from prograd_experiments import commands
from prograd_experiments.gather import gather
from prograd_experiments.report import compare
from tests.helpers.records import failed_training, lay_out
from tests.helpers.sweeps import compared, sweep, two_sweeps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_sweeps(tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="module")
def comparison(sweeps: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared(sweeps, tmp_path_factory.mktemp("page") / "c.html")


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
    each = ["forward", "reverse", "gap: measured", "gap: predicted time", "gap: multiply-adds", "timings"]
    assert heading == ["forward B / A", "reverse B / A", "gap B / A", *each, *each]
    # Three timings each, 0.9, 1 and 1.2 times the median: the quartiles of the nine ratios are 0.9 and 1.11.
    assert lines[0] == [
        *("2", "8", "1 | 2", "0.500× ± 0.053", "0.500× ± 0.053", "1.00× ± 0.00"),
        *("1.00 ms ± 0.07", "200 µs ± 15", "5.00× ± 0.00", "2.50×", "64.0×", "3"),
        *("500 µs ± 38", "100 µs ± 8", "5.00× ± 0.00", "2.50×", "64.0×", "3"),
    ]  # fmt: skip
    assert [line[:2] for line in lines] == [["2", "8"], ["2", "16"], ["4", "8"], ["4", "16"]]
    assert lines[3][3:6] == ["–"] * 3
    assert lines[3][-6:] == ["failed", *"–––––"]


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
    lay_out(other, [failed_training()])
    assert report(good, tmp_path / "none") == (
        2,
        f"prograd report: {tmp_path / 'none'}: expected a directory with records, got no such directory\n",
    )
    code, text = report(good, empty)
    assert (code, text.startswith(f"prograd report: {empty}: expected a record.json here or below, got none")) == (
        2,
        True,
    )
    code, text = report(good, other)
    assert code == 2
    assert f"{other}: expected records of speed_gap, as in {good}, got records of train" in text
    assert not (tmp_path / "page.html").exists()
    code, text = report(good, broken)
    assert code == 1
    assert f"{broken}: 3 points: 3 complete, 1 file that can't be read" in text
    assert f"left out {broken / 'job2' / 'record.json'}: expected a record, got broken JSON" in text
    assert "job2/record.json</code>: expected a record, got broken JSON" in (tmp_path / "page.html").read_text("utf-8")
