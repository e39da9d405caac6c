"""How far a job has come: a bar in a terminal, lines elsewhere, with the time that is left."""

from __future__ import annotations

import io
import re

from rich.console import Console

from prograd_experiments import terminal


def test_lines_come_now_and_then_with_the_time_that_is_left() -> None:
    now, lines = 0.0, list[str]()
    progress = terminal.Lines(lines.append, lambda: now)
    # It goes on from a checkpoint: 40 epochs were done before, and each takes a second.
    for done in range(41, 61):
        now += 1.0
        progress(done, 60, f"train loss {done}")
    assert lines[0] == "[42/60] 18.0 s left, train loss 42"
    assert [re.match(r"\[(\d+)/60\]", line)[1] for line in lines] == [str(done) for done in range(42, 60, 2)]


def test_a_quick_job_prints_no_line() -> None:
    out = io.StringIO()
    with terminal.progressing(Console(file=out)) as progress:
        for done in range(1, 4):
            progress(done, 3, "train loss [1]")
    assert not out.getvalue()


def test_a_terminal_has_a_bar_that_is_gone_at_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with terminal.progressing(console) as progress:
        assert not out.getvalue()  # of a job that is timed nothing is drawn
        progress(1, 3, "train loss [1]")
        progress(2, 3, "train loss [0.5]")
    drawn = out.getvalue()
    assert "2/3" in drawn
    assert "train loss [0.5]" in drawn
    assert drawn.endswith("\x1b[1A\x1b[2K")


def test_a_job_of_a_sweep_takes_the_line_of_its_bar() -> None:
    now, out = 0.0, io.StringIO()
    console = Console(file=out, force_terminal=True, width=60, legacy_windows=False)
    progress = terminal.progress_in_a_sweep(console, "width=3 seed=1", lambda: now)
    for done in (1, 2):
        now += 3.0
        progress(done, 3, "train loss 0.123456, validation loss 0.123456")
    assert out.getvalue() == "\r\x1b[2K[2/3] 3.00 s left, train loss 0.123456, validation loss 0.1"
    plain = io.StringIO()
    progress = terminal.progress_in_a_sweep(Console(file=plain), "width=3", lambda: now)
    for done in (1, 2):
        now += 3.0
        progress(done, 3, "train loss 0.5")
    assert plain.getvalue() == "[2/3] 3.00 s left, train loss 0.5; width=3\n"
