"""The plan of a computation: the cost of each mode, and the mode that is predicted to be the quickest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import inf
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import DTypeLike

from prograd import modes as listed
from prograd import threads, units
from prograd.arrays import checked_bytes
from prograd.bracketing.words import Letters
from prograd.chosen import Wanted, words
from prograd.errors import NotRecordable, OptionError, ShapeError, UnknownNameError
from prograd.linearization import Variable, variable
from prograd.loss import Loss
from prograd.modes import AUTO, Mode, Outputs
from prograd.modes.recomputation import object_bytes
from prograd.network import Network
from prograd.operators import ledger
from prograd.planning.calibration import machine_rates
from prograd.planning.rates import Rates
from prograd.planning.recording import Cost, Task, cost
from prograd.tape import machine
from prograd.tape.blas import Blas
from prograd.tape.machine import Machine
from prograd.tape.meter import HOPELESS, MOST, Limits

TIE: Final = 1.05  # predicted times within this factor count as equal: measured times vary by more
MARGIN: Final = 1.05  # for what numpy allocates inside its loops
WORDS: Final[Mapping[Outputs, str]] = {
    "gradient": "gradient",
    "jacobian": "Jacobian by {wrt}",
    "per_sample_norms": "norms of per-sample gradients",
    "clipped_gradient": "clipped gradient",
    "hessian_vector": "product with the Hessian",
}


@dataclass(frozen=True)
class Plan:
    """What a gradient or a Jacobian of a network will cost in each mode, before anything is computed.

    `costs` and `seconds` have an entry for each mode that was planned; `left_out` says why the others were not: they
    don't fit into `max_bytes`, or planning them takes too long for so many layers. `orders` are the products with their
    brackets. `machine` is what runs them from the third evaluation on: "c", "numpy" or "off", and `products` the BLAS
    that it uses then. `rates` predict the seconds; the default is the rates of this machine.
    """

    network: str
    batch: int
    wrt: str
    outputs: Outputs
    dtype: str
    threads: int
    machine: Machine
    costs: Mapping[str, Cost]
    orders: Mapping[str, str]
    rates: Rates | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    products: Blas = "numpy"

    @cached_property
    def seconds(self) -> dict[str, float]:
        """The predicted time of each mode."""
        rates = machine_rates() if self.rates is None else self.rates
        return {mode: rates.seconds(cost.steps, self.machine, self.threads) for mode, cost in self.costs.items()}

    @property
    def mode(self) -> str:
        """The mode that is predicted to be the quickest, which "auto" takes."""
        return _quickest(self.seconds)

    @property
    def cost(self) -> Cost:
        """The cost of the chosen mode."""
        return self.costs[self.mode]

    @property
    def order(self) -> str:
        """The products of the chosen mode with their brackets."""
        return self.orders[self.mode]

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data; units are multiply-adds, bytes and seconds."""
        return {
            "network": self.network,
            "batch": self.batch,
            "wrt": self.wrt,
            "outputs": self.outputs,
            "dtype": self.dtype,
            "threads": self.threads,
            "machine": self.machine,
            "products": self.products,
            "mode": self.mode,
            "order": self.order,
            "modes": {
                mode: {
                    "multiply_adds": cost.multiply_adds,
                    "peak_bytes": cost.peak_bytes,
                    "run_bytes": cost.run_bytes,
                    "tape_bytes": cost.tape_bytes,
                    "moved_bytes": cost.moved_bytes,
                    "seconds": self.seconds[mode],
                    "order": self.orders[mode],
                }
                for mode, cost in self.costs.items()
            },
            "left_out": dict(self.left_out),
        }

    def rows(self) -> list[list[str]]:
        """The plan as a table: headings, then a line for each mode, the quickest first."""
        lines = [["mode", "multiply-adds", "peak bytes", "tape bytes", "bytes moved", "time"]]
        for mode in sorted(self.seconds, key=self.seconds.__getitem__):
            cost = self.costs[mode]
            numbers = (cost.multiply_adds, cost.peak_bytes, cost.tape_bytes, cost.moved_bytes)
            lines.append([mode, *(f"{number:,}" for number in numbers), units.seconds(self.seconds[mode])])
        return lines

    @property
    def title(self) -> str:
        """What is planned, in one line."""
        samples = "1 sample" if self.batch == 1 else f"{self.batch} samples"
        what = WORDS[self.outputs].format(wrt=self.wrt)
        if self.outputs != "jacobian" and self.wrt != "parameters":
            what += f" by {self.wrt}"
        return f"{what} of {self.network}, {samples}, {self.dtype}, {machine.words(self.machine, self.products)}"

    def __str__(self) -> str:
        lines = self.rows()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        return "\n".join([self.title, *table, *self.notes()])

    def notes(self) -> list[str]:
        """A line for the order of the chosen mode, and one for each mode that was left out."""
        return [f"{self.mode}: {self.order}", *(f"{mode}: not planned: {why}" for mode, why in self.left_out.items())]


def plan(  # noqa: PLR0913
    net: Network,
    batch: int = 1,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    outputs: Outputs = "gradient",
    *,
    dtype: DTypeLike = np.float64,
    max_bytes: int | None = None,
    rates: Rates | None = None,
    modes: Sequence[str | Mode] = tuple(listed.MODES),
) -> Plan:
    """The cost of a gradient or a Jacobian of a network in each mode, from shapes and structure alone.

    `outputs` may also be "per_sample_norms", "clipped_gradient" or "hessian_vector", which reverse mode has alone.
    `batch` is the number of samples. `max_bytes` bounds all that a call allocates; a mode that takes more is left
    out. `rates` defaults to those of this machine. Raises `ShapeError`, `UnknownNameError`, `OptionError`, and
    `PluginError` for blocks that don't fit.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> plan = prograd.plan(net)
    >>> plan.costs["reverse"].multiply_adds < plan.costs["forward"].multiply_adds
    True
    """
    if not isinstance(net, Network):
        raise OptionError(f"plan: expected a Network, got {type(net).__name__}")
    if isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 1:
        raise ShapeError(f"batch: expected a positive number of samples, got {batch!r}")
    if outputs not in listed.OUTPUTS:
        raise UnknownNameError("outputs", outputs, listed.OUTPUTS)
    by = variable(net, wrt)
    if wrt == "input" and outputs != "jacobian":
        raise OptionError('wrt="input": expected outputs="jacobian", since an objective has no gradient by its samples')
    if isinstance(by, tuple) and outputs == "hessian_vector":
        raise OptionError('outputs="hessian_vector": expected wrt="parameters", since the product is by all of them')
    max_bytes = checked_bytes(max_bytes)
    task = Task(net, int(batch), by, outputs, _dtype(dtype))
    chosen = [listed.find(mode) for mode in modes]
    costs, left_out = _costs(task, chosen, max_bytes)
    if not costs and left_out:
        raise OptionError(next(iter(left_out.values())))
    have = net.r if task.chosen is None else task.chosen
    letters = Letters.of(list(map(bool, have)), by_input=wrt == "input", gradient=outputs != "jacobian")
    orders = {mode.name: mode.order(task.linearization, letters, max_bytes) for mode in chosen if mode.name in costs}
    return Plan(
        repr(net),
        task.samples,
        by if isinstance(by, str) else words(by),
        outputs,
        str(task.dtype),
        threads.available(),
        machine.current(),
        costs,
        orders,
        rates,
        left_out,
        machine.products(),
    )


def resolve(  # noqa: PLR0913, PLR0917
    mode: str | Mode,
    net: Network,
    samples: int,
    wrt: Variable,
    outputs: Outputs,
    max_bytes: int | None,
    dtype: Any,
    loss: Loss | None = None,
    weighted: bool = False,  # noqa: FBT001, FBT002
) -> tuple[Mode, int | None]:
    """The mode of this name, and what to give it as `max_bytes` so that all that a call allocates stays within that.

    For "auto", the mode is the one that is predicted to be the quickest, found once for each task. Raises
    `UnknownNameError`, and `OptionError` if `max_bytes` is too small, for "auto" if it is too small for every mode.
    """
    if max_bytes is None and isinstance(mode, str) and mode in listed.MODES:
        return listed.MODES[mode], None
    task = Task(net, samples, wrt, outputs, np.dtype(dtype), loss if _hashable(loss) else None, weighted)
    if mode == AUTO:
        used = _choice(task, max_bytes, machine_rates(), machine.current(), threads.available())
    else:
        used = listed.find(mode)
    return used, None if max_bytes is None else _room(task, used, max_bytes)


def lazy_mode(net: Network, samples: int, wrt: Variable, dtype: Any) -> Mode:
    """The mode that forms the left factors of a Jacobian with the fewest multiply-adds."""
    lin = Task(net, samples, wrt, "jacobian", np.dtype(dtype)).linearization()

    def multiply_adds(mode: Mode) -> int:
        with ledger.opened() as written:
            mode.left_factors(lin.blocks)
        return written.multiply_adds

    return min((mode for mode in listed.MODES.values() if mode.lazy), key=multiply_adds)


@lru_cache(maxsize=256)
def _room(task: Task, mode: Mode, max_bytes: int, limits: Limits | None = None) -> int | None:
    def peak(given: int | None) -> float:
        return cost(task, mode, given, limits).peak_bytes * MARGIN + object_bytes(task.net)

    try:
        return mode.room(peak, task.outputs, max_bytes)
    except NotRecordable:  # a mode of the caller's own, which has to keep to the limit itself
        return max_bytes


@lru_cache(maxsize=256)
def _choice(task: Task, max_bytes: int | None, rates: Rates, used: Machine, available: int) -> Mode:
    costs, left_out = _costs(task, listed.MODES.values(), max_bytes, hopeless=HOPELESS)
    if not costs:
        if max_bytes is None:  # too many layers to plan: reverse mode takes the fewest steps
            return listed.MODES["reverse"]
        raise OptionError(next(iter(left_out.values())))
    return listed.MODES[_quickest({mode: rates.seconds(cost.steps, used, available) for mode, cost in costs.items()})]


def _hashable(loss: Loss | None) -> bool:
    try:
        hash(loss)
    except TypeError:
        return False
    return True


def _quickest(seconds: Mapping[str, float]) -> str:
    """The first mode, which is the simplest, whose time counts as equal to the shortest."""
    least = min(seconds.values())
    return next(mode for mode in seconds if seconds[mode] <= TIE * least)


def _costs(
    task: Task, modes: Iterable[Mode], max_bytes: int | None, hopeless: float = inf
) -> tuple[dict[str, Cost], dict[str, str]]:
    """The costs by mode, and why a mode has none. The first, the simplest, is planned however long that takes.

    No mode is planned to its end that takes `hopeless` times the multiply-adds of another one.
    """
    costs: dict[str, Cost] = {}
    left_out: dict[str, str] = {}
    for mode in modes:
        if len(task.net.layers) > mode.longest:
            left_out[mode.name] = f"{len(task.net.layers)} layers are more than {mode.longest}"
            continue
        try:
            fewest = min((one.multiply_adds for one in costs.values()), default=inf)
            limits = Limits(MOST, hopeless * max(fewest, 1)) if costs or left_out else Limits()
            room = None if max_bytes is None else _room(task, mode, max_bytes, limits)
            costs[mode.name] = cost(task, mode, room, limits)
        except (OptionError, NotRecordable) as error:
            left_out[mode.name] = str(error)
    return costs, left_out


def _dtype(given: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(given)
    except TypeError:
        found = None
    if found is None or found.char not in "df":
        raise OptionError(f"dtype: expected float64 or float32, got {found or repr(given)}")
    return found
