"""Compares every engine's result with a reference, before any time is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prograd_experiments import timed
from prograd_experiments.errors import AgreementError
from prograd_experiments.peers.crew import Stage
from prograd_experiments.peers.engines.base import TASKS, Given, Numbers, Task
from prograd_experiments.peers.engines.numpy import Numpy
from prograd_experiments.peers.remote import Lost
from prograd_experiments.peers.workload import Workload

TIMED, NO_SUCH_TASK, WRONG = "timed", "no such task", "wrong"

Outcomes = dict[str, dict[str, Any]]


def compare(stage: Stage, engines: Sequence[str], workload: Workload, given: Given) -> Outcomes:
    """For each way of each engine, whether it is to be timed, or why not.

    Raises `AgreementError` if prograd's result is wrong.
    """
    expected = reference(workload.task, given)
    outcomes: Outcomes = {}
    for engine in engines:
        try:
            ways = stage.ways(engine)
        except Lost as lost:
            outcomes[engine] = outcome(engine, "", lost.outcome, lost.note)
            continue
        if not ways:
            outcomes[engine] = outcome(engine, "", NO_SUCH_TASK, f"{engine} has no {workload.task}")
        for way in ways:
            name = f"{engine}/{way}" if way else engine
            try:
                numbers = stage.compute(engine, way)
            except Lost as lost:
                outcomes[name] = outcome(engine, way, lost.outcome, lost.note)
                continue
            outcomes[name] = outcome(engine, way, TIMED, "") | compared(numbers, expected, workload)
            if engine == "prograd" and outcomes[name]["outcome"] == WRONG:
                raise AgreementError(f"{name}: {outcomes[name]['note']}; no time is reported for a wrong result")
    return outcomes


def outcome(engine: str, way: str, what: str, note: str) -> dict[str, Any]:
    """What became of one way of an engine, and why."""
    return {"engine": engine, "way": way, "outcome": what, "note": note}


def compared(numbers: Numbers | None, expected: Numbers, workload: Workload) -> dict[str, Any]:
    """How far a result is from the reference; the outcome is `WRONG` if rounding does not explain it."""
    if numbers is None:
        return {}
    shape, right = numbers.derivative.shape, expected.derivative.shape
    if shape != right:
        return {"outcome": WRONG, "note": f"expected a derivative of shape {right}, got {shape}"}
    tolerance = timed.tolerance(workload.terms, np.dtype(workload.dtype))
    differences = {"derivative": timed.relative_difference(numbers.derivative, expected.derivative)}
    if numbers.value is not None and expected.value is not None:
        differences["value"] = abs(numbers.value - expected.value) / abs(expected.value)
    wrong = [f"the {what} by {by:.2e}" for what, by in differences.items() if not by <= tolerance]
    if wrong:
        note = f"expected the reference within rounding ({tolerance:.2e}), got {' and '.join(wrong)} off"
        # Without the differences: JSON has no NaN.
        return {"outcome": WRONG, "note": note, "tolerance": tolerance}
    return {"relative_difference": differences, "tolerance": tolerance}


def reference(task: str, given: Given) -> Numbers:
    """The result by hand, in float64. The gradient is the same in forward and in reverse mode."""
    by_hand, double = Numpy(threads=1), given.astype(np.dtype(np.float64))
    its: Task = next(its for its in TASKS if its == ("reverse" if task == "forward" else task))
    return by_hand.numbers(its, double, by_hand.ways(its, double)[""]())
