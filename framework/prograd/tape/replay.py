"""Functions of arrays that are recorded at their second call and replayed from then on."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from prograd.errors import NotRecordable, ProgradError
from prograd.network import Network
from prograd.tape import machine
from prograd.tape.instructions import AnyArray
from prograd.tape.machine import Machine
from prograd.tape.tape import ByNumpy, Program, Tape, record

KEPT: Final = 32  # tapes of one owner
LEAST_BYTES: Final = 2**24  # with a smaller limit nothing is recorded: a tape's own objects take some of them

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
        self._ready: OrderedDict[tuple[Hashable, Machine], Running] = OrderedDict()
        self._seen: OrderedDict[Hashable, ProgradError | None] = OrderedDict()

    def call(
        self,
        key: Hashable,
        function: Function,
        inputs: Sequence[AnyArray],
        outputs: Sequence[AnyArray],
        max_bytes: int | None = None,
    ) -> None:
        """`function(*inputs, *outputs)`, which reads the first and writes to the others.

        The first call for a key runs the function, the second records it as well, and later ones replay the tape. A
        function that can't be recorded goes on to be run, and so does one whose tape would take more than `max_bytes`.
        Floating point errors warn or raise as numpy says, since then the function itself is run again.
        """
        used = machine.current()
        ready = self._ready.get((key, used))
        if ready is not None:
            self._ready.move_to_end((key, used))
            if ready.run(*inputs, *outputs) and set(np.geterr().values()) != {"ignore"}:
                function(*inputs, *outputs)
            return
        if used == "off" or (max_bytes or LEAST_BYTES) < LEAST_BYTES or self._seen.get(key) is not None:
            function(*inputs, *outputs)
            return
        # With one thread for BLAS, as in a replay: every call gives the same bits.
        if key in self._seen:
            machine.alone(lambda: self._record(key, used, function, inputs, outputs, max_bytes))
            return
        machine.alone(lambda: function(*inputs, *outputs))
        self._seen[key] = None
        while len(self._seen) > 4 * KEPT:
            self._seen.popitem(last=False)

    def reason(self, key: Hashable) -> ProgradError | None:
        """Why the function of a key can't be recorded, if that was found."""
        return self._seen.get(key)

    def _record(  # noqa: PLR0913, PLR0917
        self,
        key: Hashable,
        used: Machine,
        function: Function,
        inputs: Sequence[AnyArray],
        outputs: Sequence[AnyArray],
        max_bytes: int | None,
    ) -> None:
        function(*inputs, *outputs)
        try:
            tape = record(function, signature(inputs), signature(outputs))
            if max_bytes is not None and tape.scratch_bytes > max_bytes:
                what = f"no more than {max_bytes} bytes, where its arrays together take {tape.scratch_bytes}"
                raise NotRecordable("", "", what)
            ready = replayable(tape, used)
            _verify(ready, function, inputs, outputs)
        except ProgradError as error:  # from the recording: the function itself has just run
            self._seen[key] = error
            return
        self._ready[key, used] = ready
        while len(self._ready) > KEPT:
            self._ready.popitem(last=False)

    def keys(self) -> list[Hashable]:
        """What the tapes compute, the one used last behind the others."""
        ready: list[tuple[Hashable, Machine]] = list(self._ready)
        return [key for key, _ in ready]

    def __len__(self) -> int:
        """The number of tapes."""
        return len(self._ready)

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


def _verify(ready: Running, function: Function, inputs: Sequence[AnyArray], outputs: Sequence[AnyArray]) -> None:
    """Raises `NotRecordable` unless the tape gives the bits that the function has just written to the outputs.

    It takes no memory for a second copy of them.
    """
    before = [_digest(out) for out in outputs]
    ready.run(*inputs, *outputs, whole=True)
    if before != [_digest(out) for out in outputs]:
        function(*inputs, *outputs)
        raise NotRecordable("", "", "numbers that differ from one call to the next, or that a replay does not have")


def _digest(a: AnyArray) -> bytes:
    return hashlib.blake2b(a.data).digest()
