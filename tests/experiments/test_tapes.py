"""The tape in words and with times: instruction by instruction, it still computes the gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import prograd
from prograd.commands.group import main
from prograd.tape import Times, machine, measured, table, times
from prograd_experiments import tapes

USABLE = [name for name in ("c", "numpy", "off") if name != "c" or machine.available()]
NETWORK = ("--n-in", "3", "-l", "affine width=4", "-l", "tanh", "-l", "affine width=2")


def objective(widths: tuple[int, ...], samples: int, dtype: Any) -> tuple[prograd.Objective, tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    layers = [made for n in widths for made in (prograd.layer("affine", width=n), prograd.layer("layer_norm"))]
    net = prograd.Network([*layers, prograd.layer("softmax")], n_in=3)
    x, y = (rng.normal(size=(samples, n)).astype(dtype) for n in (3, net.n[-1]))
    w = net.init(rng).astype(dtype)
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), (w, x, y)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "TIMING_SECONDS", 1e-6)
    monkeypatch.setattr(times, "TIMINGS", 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize(
    ("widths", "samples", "mode", "dtype"),
    [((4, 2), 5, "reverse", np.float64), ((4, 3), 2, "forward", np.float32), ((160,), 160, "reverse", np.float64)],
)
def test_timing_each_instruction_computes_the_gradient(name, widths, samples, mode, dtype) -> None:
    f, given = objective(widths, samples, dtype)
    tape = f.tape(mode, dtype)
    expected = f.gradient(given[0], mode)
    p = np.full_like(given[0], np.nan)
    with machine.using(name):
        found = measured(tape, (*given, p, np.empty(2, dtype)))
    assert found.machine == ("numpy" if name == "off" else name)
    assert len(found.each) == len(tape.instructions)
    assert min(found.each) > 0 < found.whole
    scale = np.abs(expected).max()
    np.testing.assert_allclose(p / scale, expected / scale, rtol=0, atol=1e3 * np.finfo(dtype).eps)


def made(tape: Any) -> Times:
    return Times([1e-6 * (k + 1) for k in range(len(tape.instructions))], 1e-3, "numpy")


def test_a_picture_has_a_dot_for_each_instruction() -> None:
    tape = objective((4, 2), 5, np.float64)[0].tape()
    taken = made(tape)
    drawn = tapes.picture(tape, taken, "a title")
    assert sum(len(series.data) for series in drawn.series) == min(len(tape.instructions), tapes.MOST_SHOWN)
    assert {series.name for series in drawn.series} <= set(tapes.KINDS)
    assert max(datum.x for series in drawn.series for datum in series.data) == max(taken.each)
    assert drawn.note.startswith(tapes.summed_up(taken))
    assert "1.00 ms for the tape, replayed by numpy" in tapes.summed_up(taken)


def test_a_picture_of_a_long_tape_has_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes, "MOST_SHOWN", 5)
    tape = objective((4, 2), 5, np.float64)[0].tape()
    drawn = tapes.picture(tape, made(tape), "a title")
    longest = [1e-6 * (k + 1) for k in range(len(tape.instructions))][-5:]
    assert sorted(datum.x for series in drawn.series for datum in series.data) == pytest.approx(longest)
    assert f"{len(tape.instructions) - 5} more take" in drawn.note


def test_a_table_with_times_has_one_more_column() -> None:
    tape = objective((4, 2), 5, np.float64)[0].tape()
    plain, timed = (table(tape, seconds).splitlines() for seconds in ((), [f"{k} s" for k in tape.instructions]))
    assert timed[0].split() == [*plain[0].split(), "time"]
    assert timed[-1] == plain[-1]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["tape", *arguments])


def test_the_command_prints_the_tape_and_draws_the_times(tmp_path: Path) -> None:
    done = run(*NETWORK, "--batch", "5", "--mode", "forward", "--dtype", "float32")
    assert done.exit_code == 0, done.output
    layers = [prograd.layer("affine", width=4), prograd.layer("tanh"), prograd.layer("affine", width=2)]
    net = prograd.Network(layers, 3)
    x = np.ones((5, 3), np.float32)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, np.ones((5, 2)))
    assert done.output == prograd.tape.explain(f, "forward", np.float32) + "\n"
    file = tmp_path / "tape.svg"
    drawn = run(*NETWORK, "--picture", str(file), "--loss", "softmax_cross_entropy")
    assert drawn.exit_code == 0, drawn.output
    assert drawn.output.splitlines()[0].endswith("time")
    assert "for all instructions, each alone" in drawn.output
    assert file.read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((*NETWORK, "--picture", "tape.gif"), 2, "--picture: expected a file that ends in png, svg, pdf, got tape.gif"),
        (("--n-in", "3"), 2, "expected layers, got none"),
        ((*NETWORK, "--loss", "hinges"), 2, "hinge"),
        (("--n-in", "3", "-l", "affine width=0"), 2, "affine: width: expected an integer"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code
    assert says in done.output
