"""Functions of arrays that are recorded at their second call and replayed from then on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from prograd.errors import NotRecordable
from prograd.network import Network
from prograd.tape import machine
from prograd.tape.instructions import AnyArray
from prograd.tape.machine import Machine
from prograd.tape.tape import ByNumpy, Program, Tape, record

KEPT: Final = 32  # tapes of one owner
TOLERANCE: Final = 2.0**14  # roundings: BLAS may have cut a product where the tape did not

Function = Callable[..., None]


class Running(Protocol):
    """What replays a tape."""

    def run(self, *arrays: AnyArray, whole: bool = False) -> int:
        """Runs it on these arrays; returns the floating point errors that were raised."""
        ...


class Tapes:
    """The tapes of an owner, such as an objective, by what they compute; the least recently used are let go.

    Tapes are neither copied nor pickled with their owner.
    """

    def __init__(self) -> None:
        self._ready: OrderedDict[Hashable, Running] = OrderedDict()
        self._seen: OrderedDict[Hashable, NotRecordable | None] = OrderedDict()

    def call(self, key: Hashable, function: Function, inputs: Sequence[AnyArray], outputs: Sequence[AnyArray]) -> None:
        """`function(*inputs, *outputs)`, which reads the first and writes to the others.

        The first call for a key runs the function, the second records it as well, and later ones replay the tape. A
        function that can't be recorded goes on to be run. Floating point errors warn or raise as numpy says, since
        then the function itself is run again.
        """
        used = machine.current()
        ready = self._ready.get((key, used))
        if ready is not None:
            if ready.run(*inputs, *outputs) and set(np.geterr().values()) != {"ignore"}:
                function(*inputs, *outputs)
            return
        function(*inputs, *outputs)
        if used == "off":
            return
        if key not in self._seen:
            self._seen[key] = None
            while len(self._seen) > 4 * KEPT:
                self._seen.popitem(last=False)
        elif self._seen[key] is None:
            self._record(key, used, function, inputs, outputs)

    def reason(self, key: Hashable) -> NotRecordable | None:
        """Why the function of a key can't be recorded, if that was found."""
        return self._seen.get(key)

    def _record(
        self, key: Hashable, used: Machine, function: Function, inputs: Sequence[AnyArray], outputs: Sequence[AnyArray]
    ) -> None:
        try:
            ready = replayable(record(function, signature(inputs), signature(outputs)), used)
            _verify(ready, inputs, outputs)
        except NotRecordable as error:
            self._seen[key] = error
            return
        self._ready[key, used] = ready
        while len(self._ready) > KEPT:
            self._ready.popitem(last=False)

    def __reduce__(self) -> tuple[type[Tapes], tuple[()]]:
        return Tapes, ()


def tapes_of(net: Network) -> Tapes:
    """The tapes of a network."""
    kept: Tapes = net.kept.setdefault(Tapes, Tapes())
    return kept


def signature(arrays: Sequence[AnyArray]) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shapes and dtypes."""
    return [(a.shape, a.dtype) for a in arrays]


def replayable(tape: Tape, used: Machine) -> Running:
    """The tape, ready for a machine."""
    return Program(tape) if used == "c" else ByNumpy(tape)


def _verify(ready: Running, inputs: Sequence[AnyArray], outputs: Sequence[AnyArray]) -> None:
    """Raises `NotRecordable` unless the tape gives what the function gave for the same arrays."""
    again = [np.empty_like(out) for out in outputs]
    ready.run(*inputs, *again, whole=True)
    for out, replayed in zip(outputs, again, strict=True):
        if out.tobytes() == replayed.tobytes():
            continue
        with np.errstate(all="ignore"):
            off = np.abs(out - replayed)
            scale = np.abs(out[np.isfinite(out)]).max(initial=0)
        bound = TOLERANCE * np.finfo(out.dtype).eps * scale
        if not bool(np.all((off <= bound) | (out == replayed) | (np.isnan(out) & np.isnan(replayed)))):
            what = f"numbers that change from call to call: the replay is off by {np.nanmax(off):.3g}"
            raise NotRecordable("", "", what)
