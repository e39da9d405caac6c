"""Every engine's result against a reference, before any time is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prograd_experiments import agreement
from prograd_experiments.errors import AgreementError
from prograd_experiments.peers.engines.numpy import Numpy
from prograd_experiments.peers.given import Given, Numbers, Task
from prograd_experiments.peers.point import Point
from prograd_experiments.peers.remote import Lost
from prograd_experiments.peers.stage import Stage

TIMED, NO_SUCH_TASK, WRONG = "timed", "no such task", "wrong"

Outcomes = dict[str, dict[str, Any]]


def compare(stage: Stage, engines: Sequence[str], point: Point, given: Given) -> Outcomes:
    """For each way of each engine whether it is to be timed, or what keeps it from that.

    Raises `AgreementError` when it is prograd that is wrong.
    """
    expected = reference(point.task, given)
    outcomes: Outcomes = {}
    for engine in engines:
        try:
            ways = stage.ways(engine)
        except Lost as lost:
            outcomes[engine] = outcome(engine, "", lost.outcome, lost.note)
            continue
        if not ways:
            outcomes[engine] = outcome(engine, "", NO_SUCH_TASK, f"{engine} has no {point.task}")
        for way in ways:
            name = f"{engine}/{way}" if way else engine
            try:
                numbers = stage.compute(engine, way)
            except Lost as lost:
                outcomes[name] = outcome(engine, way, lost.outcome, lost.note)
            else:
                outcomes[name] = outcome(engine, way, TIMED, "") | compared(numbers, expected, point)
        for name, found in outcomes.items():
            if found["engine"] == engine == "prograd" and found["outcome"] == WRONG:
                raise AgreementError(f"{name}: {found['note']}; no time is reported for a wrong result")
    return outcomes


def outcome(engine: str, way: str, what: str, note: str) -> dict[str, Any]:
    """What became of one way of an engine, and why."""
    return {"engine": engine, "way": way, "outcome": what, "note": note}


def compared(numbers: Numbers | None, expected: Numbers, point: Point) -> dict[str, Any]:
    """How far a result is from the reference; `WRONG` where rounding does not explain it."""
    if numbers is None:
        return {}
    tolerance = agreement.tolerance(point.terms, np.dtype(point.dtype))
    if numbers.derivative.shape != expected.derivative.shape:
        return {"outcome": WRONG, "note": f"its shape is {numbers.derivative.shape}, not {expected.derivative.shape}"}
    differences = {"derivative": agreement.relative_difference(numbers.derivative, expected.derivative)}
    if numbers.value is not None and expected.value is not None:
        differences["value"] = abs(numbers.value - expected.value) / abs(expected.value)
    found = {"relative_difference": differences, "tolerance": tolerance}
    wrong = [f"{what} by {by:.2e}" for what, by in differences.items() if not by <= tolerance]
    if wrong:
        note = f"off in the {', and the '.join(wrong)}, where rounding explains {tolerance:.2e}"
        # JSON has no NaN.
        return {"outcome": WRONG, "note": note, "tolerance": tolerance}
    return found


def reference(task: str, given: Given) -> Numbers:
    """The result by hand, in float64. The gradient is the same in forward and in reverse mode."""
    by_hand, double = Numpy(threads=1), given.astype(np.dtype(np.float64))
    of: Task = "jacobian" if task == "jacobian" else "per_sample" if task == "per_sample" else "reverse"
    return by_hand.numbers(of, double, by_hand.ways(of, double)[""]())
