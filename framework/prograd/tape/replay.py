"""Functions of arrays that are recorded at their second call and replayed from then on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from prograd.errors import NotRecordable, ProgradError
from prograd.network import Network
from prograd.tape import blas, machine
from prograd.tape.blas import Blas
from prograd.tape.instructions import AnyArray, digest
from prograd.tape.machine import Machine
from prograd.tape.tape import ByNumpy, Program, Tape, record

KEPT: Final = 32  # tapes of one owner
SMALL_BYTES: Final = 2**22  # outputs of which a verification makes copies
TOLERANCE: Final = 2.0**14  # roundings: a product that is cut, or of another BLAS, is added up otherwise
LEAST_BYTES: Final = 2**24  # with a smaller limit nothing is recorded: a tape's own objects take some of them

Function = Callable[..., None]
Runner = tuple[Machine, Blas]


class Running(Protocol):
    """What replays a tape."""

    @property
    def replay(self) -> Callable[..., int]:
        """`run` without options, as quick to call as can be."""
        ...

    def run(self, *arrays: AnyArray, whole: bool = False) -> int:
        """Runs it on these arrays; returns the floating point errors that were raised."""
        ...


class Tapes:
    """The tapes of an owner, such as an objective, by what they compute; the least recently used are let go.

    Tapes are neither copied nor pickled with their owner.
    """

    def __init__(self) -> None:
        self._ready: OrderedDict[tuple[Hashable, Runner], Running] = OrderedDict()
        self._seen: OrderedDict[Hashable, ProgradError | None] = OrderedDict()
        self._last: Running | None = None  # of the ready ones, the one at the end

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
        key, used = (key, max_bytes), (machine.current(), blas.current())
        ready = self._ready.get((key, used))
        if ready is not None:
            if ready is not self._last:
                self._ready.move_to_end((key, used))
                self._last = ready
            if ready.replay(*inputs, *outputs) and set(np.geterr().values()) != {"ignore"}:
                function(*inputs, *outputs)
            return
        if used[0] == "off" or (max_bytes or LEAST_BYTES) < LEAST_BYTES or self._seen.get(key) is not None:
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

    def reason(self, key: Hashable, max_bytes: int | None = None) -> ProgradError | None:
        """Why the function of a key can't be recorded, if that was found."""
        return self._seen.get((key, max_bytes))

    def _record(  # noqa: PLR0913, PLR0917
        self,
        key: Hashable,
        used: Runner,
        function: Function,
        inputs: Sequence[AnyArray],
        outputs: Sequence[AnyArray],
        max_bytes: int | None,
    ) -> None:
        function(*inputs, *outputs)
        try:
            tape = record(function, signature(inputs), signature(outputs))
            taken = tape.scratch_bytes + sum(out.nbytes for out in outputs)
            if max_bytes is not None and taken > max_bytes:
                what = f"at most {max_bytes} bytes, and whose tape takes {taken}"
                raise NotRecordable("", "", what)
            ready = replayable(tape, *used)
            exact = ready if used[1] == "numpy" else replayable(tape, used[0])
            _verify(exact, ready, function, inputs, outputs)
        except ProgradError as error:  # from the recording: the function itself has just run
            error.__cause__ = error.__context__ = None
            self._seen[key] = error.with_traceback(None)  # its frames hold the arrays of the call
            return
        self._ready[key, used] = self._last = ready
        while len(self._ready) > KEPT:
            self._ready.popitem(last=False)

    def keys(self) -> list[Hashable]:
        """What the tapes compute, the one used last behind the others."""
        ready: list[tuple[Hashable, Runner]] = list(self._ready)
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


def replayable(tape: Tape, used: Machine, products: Blas = "numpy") -> Running:
    """The tape, ready for a machine, with the BLAS that the compiled one uses."""
    return Program(tape, products) if used == "c" else ByNumpy(tape)


def _verify(
    exact: Running, ready: Running, function: Function, inputs: Sequence[AnyArray], outputs: Sequence[AnyArray]
) -> None:
    """Raises `NotRecordable` unless the tape gives the bits that the function has just written to the outputs.

    `exact` runs the tape with the BLAS of the function, numpy's. It takes no memory for a second copy of large outputs.
    Small ones are computed as replays do, too: with products cut, and with the chosen BLAS.
    """
    before = [digest(out) for out in outputs]
    _forget(outputs)
    exact.run(*inputs, *outputs, whole=True)
    same = before == [digest(out) for out in outputs]
    if same and sum(out.nbytes for out in outputs) <= SMALL_BYTES:
        expected = [out.copy() for out in outputs]
        _forget(outputs)
        ready.run(*inputs, *outputs)
        same = all(map(_close, outputs, expected))
        for out, kept in zip(outputs, expected, strict=True):
            out[...] = kept
    if not same:
        function(*inputs, *outputs)
        raise NotRecordable("", "", "numbers that differ from one call to the next, or that a replay does not have")


def _forget(outputs: Sequence[AnyArray]) -> None:
    """Overwrites results, so that a tape which leaves some out is found."""
    for out in outputs:
        out.reshape(-1).view(np.uint8)[...] = 255


def _close(one: AnyArray, other: AnyArray) -> bool:
    """Whether arrays are equal up to rounding."""
    with np.errstate(all="ignore"):
        scale = np.abs(other[np.isfinite(other)]).max(initial=0)
        bound = TOLERANCE * np.finfo(other.dtype).eps * scale
        return bool(np.all((np.abs(one - other) <= bound) | (one == other) | (np.isnan(one) & np.isnan(other))))
