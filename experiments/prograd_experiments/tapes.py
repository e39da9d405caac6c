"""A picture of where the time of a tape goes."""

from __future__ import annotations

from prograd.tape import Instruction, Tape, Times, machine
from prograd.units import count, seconds, short_seconds
from prograd_experiments.charts import Axis, Chart, Datum, Series, categories
from prograd_experiments.charts.palette import hue, marker

MOST_SHOWN = 60
KINDS = ("product", "reduction", "function", "copy")


def summed_up(times: Times) -> str:
    """The time of all instructions, and of the tape, in a sentence."""
    alone = f"{seconds(sum(times.each))} for all instructions, each alone"
    return f"{alone}; {seconds(times.whole)} for the tape, {machine.words(times.machine, times.products)}"


def picture(tape: Tape, times: Times, title: str) -> Chart:
    """The time of each instruction; of a long tape, of those that take longest."""
    order = sorted(range(len(times.each)), key=lambda k: -times.each[k])
    shown = sorted(order[:MOST_SHOWN])
    series = []
    for number, kind in enumerate(KINDS):
        data = [
            Datum(times.each[k], place, _told(tape.instructions[k], times.each[k]))
            for place, k in enumerate(shown)
            if kind_of(tape.instructions[k]) == kind
        ]
        if data:
            total = sum(times.each[k] for k, one in enumerate(tape.instructions) if kind_of(one) == kind)
            series.append(Series(kind, data, hue(number), marker(number), joined=False, note=seconds(total)))
    left = len(order) - len(shown)
    rest = f" {left} more take {seconds(sum(times.each[k] for k in order[MOST_SHOWN:]))}." if left else ""
    return Chart(
        title,
        "Time of each instruction",
        f"The time of each instruction of the tape, alone, on a log axis; {title}.",
        Axis("time of the instruction alone", short_seconds, log=True),
        categories("instruction", [f"{k} {_label(tape.instructions[k])}" for k in shown]),
        series,
        across=True,
        note=f"{summed_up(times)}.{rest}",
    )


def kind_of(one: Instruction) -> str:
    """One of `KINDS`."""
    if one.core:
        return "product"
    if one.reduces:
        return "reduction"
    return "copy" if one.loop.ufunc is None and one.name.startswith(("copy", "cast")) else "function"


def _label(one: Instruction) -> str:
    return f"{one.name} {'×'.join(map(str, one.outputs[0].shape)) or '·'}"


def _told(one: Instruction, time: float) -> str:
    products = f", {count(one.multiply_adds)} multiply-adds" if one.multiply_adds else ""
    return f"{_label(one)}: {seconds(time)}{products}, {count(one.nbytes)} bytes"
