"""What a mode costs: the mode itself, recorded on arrays that hold no numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.chosen import Names
from prograd.errors import NotRecordable
from prograd.linearization import Linearization, Variable, differentiated
from prograd.loss import Loss
from prograd.modes import Evaluation, Mode, Outputs
from prograd.modes.recordable import recordable
from prograd.network import Network
from prograd.operators import Identity, Operator, ledger
from prograd.planning.repeated import Repeated, repeated
from prograd.planning.steps import Step, Traffic, steps_of
from prograd.tape.meter import Limits, Meter
from prograd.tape.tape import Tape, record

KEPT: Final = 256  # costs


@dataclass(frozen=True)
class Cost:
    """What a computation costs.

    `multiply_adds` are those of all products with blocks, over all samples, as the operators write them down.
    `run_bytes` is the most that the arrays of an interpreted call take at a time, its result included, and `tape_bytes`
    what those of a replay take. `moved_bytes` are read and written, counted each time, by the `steps` of the tape.
    `in_passes` says whether a part of the columns or samples was done after the other.
    """

    multiply_adds: int
    run_bytes: int
    tape_bytes: int
    moved_bytes: int
    steps: tuple[Step, ...] = field(repr=False)
    in_passes: bool = False

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
    weighted: bool = False
    """Whether the samples have weights."""

    def linearization(self) -> Linearization:
        """The blocks, without numbers."""
        meter = Meter()
        w: Any = meter.input((self.net.size,), self.dtype)
        x: Any = meter.input((self.samples, self.net.n[0]), self.dtype)
        return differentiated(_recordable(self), w, x, self.wrt, cut=False)

    @property
    def chosen(self) -> Names | None:
        """The parameters that the derivative is by, if not all."""
        return self.wrt if isinstance(self.wrt, tuple) else None


@lru_cache(KEPT)
def cost(task: Task, mode: Mode, max_bytes: int | None, limits: Limits | None = None) -> Cost:
    """The cost of a task in a mode that is given `max_bytes`, from a recording within limits.

    Raises `OptionError` where `max_bytes` is too small or a limit is exceeded, `PluginError` for blocks that
    don't fit, and `NotRecordable` for a mode that needs numbers.
    """
    deep = repeated(task.net) if max_bytes is None and task.chosen is None else None
    found = deep and continued_cost(task, deep, mode, limits)
    return found or recorded_cost(task, mode, max_bytes, limits)


def continued_cost(task: Task, deep: Repeated, mode: Mode, limits: Limits | None = None) -> Cost | None:
    """The cost of a deep network from those of shallower ones, if all that is exact is a polynomial of the depth.

    A mode that goes in passes is left alone: how many there are is no polynomial.
    """
    costs: list[Cost] = []
    for net in deep.shallow():
        costs.append(recorded_cost(replace(task, net=net), mode, None, limits))
        if costs[-1].in_passes:
            return None
    names = ("multiply_adds", "run_bytes", "tape_bytes", "moved_bytes")
    exact = [deep.continued([getattr(one, name) for one in costs]) for name in names]
    if None in exact:
        return None
    multiply_adds, run, tape, moved = (value or 0 for value in exact)
    return Cost(multiply_adds, run, tape, moved, tuple(_steps(deep, [one.steps for one in costs])))


def _steps(deep: Repeated, shallow: Sequence[Sequence[Step]]) -> Iterator[Step]:
    """The steps of a deep network from those of shallower ones.

    What was touched before a step is rounded and farther away the deeper the network is, so how often a step comes with
    one such distance is not always a polynomial. How often it comes at all is one: the rest has the farthest distance.
    """
    times: dict[Step, dict[Traffic, list[int]]] = {}
    for k, steps in enumerate(shallow):
        for step in steps:
            alike = times.setdefault(replace(step, times=1, traffic=()), {})
            alike.setdefault(step.traffic, [0] * len(shallow))[k] += step.times
    for step, by_traffic in times.items():
        rest = deep.continued([sum(counts) for counts in zip(*by_traffic.values(), strict=True)]) or 0
        for traffic, counts in by_traffic.items():
            count = deep.continued(counts) or 0
            rest -= count
            if count > 0:
                yield replace(step, traffic=traffic, times=count)
        if rest > 0:
            yield replace(step, traffic=max(by_traffic, key=_distance), times=rest)


def _distance(traffic: Traffic) -> int:
    return sum(before for _, before, _ in traffic)


def recorded_cost(task: Task, mode: Mode, max_bytes: int | None, limits: Limits | None = None) -> Cost:
    """The cost from a recording of all layers."""
    net = _recordable(task)
    try:
        with ledger.opened() as written:
            meter = Meter(written, limits)
            tape, output = _recorded(net, task, mode, max_bytes, meter)
    except NotRecordable:
        if task.loss is None:
            raise
        return recorded_cost(replace(task, loss=None), mode, max_bytes, limits)  # perhaps the loss needs numbers
    moved = sum(one.times * one.nbytes for one in tape.instructions)
    run, taped = output + meter.peak, output + tape.scratch_bytes
    return Cost(written.multiply_adds, run, taped, moved, steps_of(tape), meter.in_passes)


def _recorded(net: Network, task: Task, mode: Mode, max_bytes: int | None, meter: Meter) -> tuple[Tape, int]:
    """The tape, and the bytes of its result."""
    N = task.samples
    n, m = net.n[0], net.n[-1]
    given = [((net.size,), task.dtype), ((N, n), task.dtype)]
    run: Callable[..., None]
    size = net.size if task.chosen is None else net.part(task.chosen, 0).size
    shape: tuple[int, ...] = (size,)
    labels = [((N, m), task.dtype), *[((N,), task.dtype)] * task.weighted]

    def at(w: Array, x: Array, *data: Array) -> Evaluation:
        whole = Evaluation(net, task.loss or HalfSquare(), w, net.unpack(w), x, *data)
        return whole.only(task.chosen, cut=max_bytes is None)

    if task.outputs == "jacobian":
        shape = (N, m, n if task.wrt == "input" else size)

        def run(w: Array, x: Array, J: Array) -> None:
            mode.jacobian(differentiated(net, w, x, task.wrt), J, max_bytes)

    else:
        functions: dict[Outputs, Callable[..., Array]] = {
            "gradient": lambda at, p: mode.gradient(at, p, max_bytes),
            "per_sample_norms": lambda at, norms: mode.per_sample_norms(at, norms, max_bytes),
            "clipped_gradient": lambda at, limit, p: mode.clipped_gradient(at, limit, p, max_bytes),
            "hessian_vector": mode.hessian_vector,
        }
        given += labels
        read = len(given)
        more: dict[Outputs, tuple[int, ...]] = {"clipped_gradient": (1,), "hessian_vector": (size,)}
        if task.outputs in more:
            given.append((more[task.outputs], task.dtype))
        if task.outputs == "per_sample_norms":
            shape = (N,)

        def run(*arrays: Array) -> None:
            functions[task.outputs](at(*arrays[:read]), *arrays[read:])

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

    def hessian(self, z: Array, y: Array) -> Operator:
        return Identity(z.shape[-1])
