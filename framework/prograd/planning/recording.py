"""What a mode costs: the mode itself, recorded on arrays that hold no numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np

from prograd.arrays import Array
from prograd.errors import NotRecordable
from prograd.linearization import Linearization, differentiated
from prograd.loss import Loss
from prograd.modes import Evaluation, Mode, Outputs
from prograd.modes.recordable import recordable
from prograd.network import Network
from prograd.operators import ledger
from prograd.planning.steps import Step, steps_of
from prograd.tape.meter import Limits, Meter
from prograd.tape.tape import Tape, record

Variable = Literal["parameters", "input"]

KEPT: Final = 256  # costs


@dataclass(frozen=True)
class Cost:
    """What a computation costs.

    `multiply_adds` are those of all products with blocks, over all samples, as the operators write them down.
    `run_bytes` is the most that the arrays of an interpreted call take at a time, its result included, and `tape_bytes`
    what those of a replay take. `moved_bytes` are read and written, counted each time, by the `steps` of the tape.
    """

    multiply_adds: int
    run_bytes: int
    tape_bytes: int
    moved_bytes: int
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def peak_bytes(self) -> int:
        """The most bytes that any call takes: the first ones are interpreted, later ones replay the tape."""
        return max(self.run_bytes, self.tape_bytes)


@dataclass(frozen=True)
class Task:
    """What to compute of a network for `samples` samples."""

    net: Network
    samples: int
    wrt: Variable
    outputs: Outputs
    dtype: np.dtype[Any]
    loss: Loss | None = None
    """That of an objective; where it isn't known, half the squared distance."""

    def linearization(self) -> Linearization:
        """The blocks, without numbers."""
        meter = Meter()
        w: Any = meter.input((self.net.size,), self.dtype)
        x: Any = meter.input((self.samples, self.net.n[0]), self.dtype)
        return differentiated(_recordable(self), w, x, self.wrt)


@lru_cache(KEPT)
def cost(task: Task, mode: Mode, max_bytes: int | None, limits: Limits | None = None) -> Cost:
    """The cost of a task in a mode that is given `max_bytes`, from a recording within limits.

    Raises `OptionError` where `max_bytes` is too small or a limit is exceeded, `PluginError` for blocks that
    don't fit, and `NotRecordable` for a mode that needs numbers.
    """
    net = _recordable(task)
    try:
        with ledger.opened() as written:
            meter = Meter(written, limits)
            tape, output = _recorded(net, task, mode, max_bytes, meter)
    except NotRecordable:
        if task.loss is None:
            raise
        return cost(replace(task, loss=None), mode, max_bytes, limits)  # perhaps it is the loss that needs numbers
    moved = sum(one.times * one.nbytes for one in tape.instructions)
    return Cost(written.multiply_adds, output + meter.peak, output + tape.scratch_bytes, moved, steps_of(tape))


def _recorded(net: Network, task: Task, mode: Mode, max_bytes: int | None, meter: Meter) -> tuple[Tape, int]:
    """The tape, and the bytes of its result."""
    N = task.samples
    n, m = net.n[0], net.n[-1]
    given = [((net.size,), task.dtype), ((N, n), task.dtype)]
    run: Callable[..., None]
    shape: tuple[int, ...] = (net.size,)

    def at(w: Array, x: Array, y: Array) -> Evaluation:
        return Evaluation(net, task.loss or HalfSquare(), w, net.unpack(w), x, y)

    if task.outputs != "jacobian":
        given.append(((N, m), task.dtype))
    if task.outputs == "gradient":

        def run(w: Array, x: Array, y: Array, p: Array) -> None:
            mode.gradient(at(w, x, y), p, max_bytes)

    elif task.outputs == "per_sample_norms":
        shape = (N,)

        def run(w: Array, x: Array, y: Array, norms: Array) -> None:
            mode.per_sample_norms(at(w, x, y), norms, max_bytes)

    elif task.outputs == "clipped_gradient":
        given.append(((1,), task.dtype))

        def run(w: Array, x: Array, y: Array, limit: Array, p: Array) -> None:
            mode.clipped_gradient(at(w, x, y), limit, p, max_bytes)

    else:
        shape = (N, m, net.size if task.wrt == "parameters" else n)

        def run(w: Array, x: Array, J: Array) -> None:
            mode.jacobian(differentiated(net, w, x, task.wrt), J, max_bytes)

    tape = record(run, given, [(shape, task.dtype)], meter)
    return tape, sum(storage.size for storage in tape.given if storage.kind == "output")


def _recordable(task: Task) -> Network:
    layers = recordable(task.net, task.dtype)
    return task.net if layers == task.net.layers else task.net.with_layers(layers)


class HalfSquare(Loss):
    """`‖z − y‖²/2`."""

    def value(self, z: Array, y: Array) -> Array:
        half: Array = np.vecdot(z - y, z - y) / 2
        return half

    def gradient(self, z: Array, y: Array) -> Array:
        return z - y
