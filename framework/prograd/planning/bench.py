"""Inner loops alone: instructions made by hand on small arrays of their own, and how long a call of them takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product

import numpy as np
import scipy.sparse

from prograd.operators.sparse import rows_times
from prograd.planning.steps import FARTHEST, Kind
from prograd.planning.tables import Table
from prograd.tape import loops, machine, nonzeros, ufuncs
from prograd.tape.grouping import Group
from prograd.tape.instructions import AnyArray, Instruction, Loop, Storage, View
from prograd.tape.replay import replayable, signature
from prograd.tape.tape import Tape, record

COPIES = 8  # of an instruction in one run
STACKED = "stacked-"
GAP = 64  # bytes between rows
STREAMED = 2**20  # bytes that a stream moves at least
PAGE = 4096
ENTRIES = (1, 8, 64, 1024)
ROWS = ((1, 32), (1, 3, 8, 64))
FAR = ((8, 32, 128, 512), (64, 512, 2048, FARTHEST))  # entries, and bytes from one to the next
MATRIX = (2, 4, 8, 32, 128)
VECTOR = (2, 8, 64)
CORE = (1, 4, 32)
STACK = (1, 16)
OUTPUTS = 64  # of a sparse matrix
SHORTEST = 1e-10  # seconds: less is the clock's grain

RUN_SECONDS = 5e-5  # that one timing lasts at least
ROUNDS, MOST_ROUNDS = 3, 8
AGREE = 1.1  # two timings within this factor

Clock = Callable[[], float]


class Alone(Tape):
    """A tape of instructions on arrays of their own, which are constants to the machine."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self.instructions, self.groups = instructions, [Group(instructions, [None] * len(instructions))]
        self.given, self.offsets, self.scratch_bytes = (), {}, 0
        self._ready = replayable(self, "c" if machine.available() else "numpy", machine.products())

    def __call__(self) -> None:
        """Runs it, on the compiled machine where there is one."""
        self._ready.run()


def quickest(calls: Sequence[Callable[[], object]], clock: Clock = time.perf_counter) -> tuple[list[float], bool]:
    """Seconds of each call: the shortest that another round confirms, since other processes can only add time.

    The calls are timed in turns. One whose two shortest times disagree is timed again in more rounds. The second result
    is whether nearly all agree in the end, so whether the machine was quiet.
    """
    inner = [_inner(call, clock) for call in calls]
    timings: list[list[float]] = [[] for _ in calls]
    for done in range(MOST_ROUNDS):
        for call, count, own in zip(calls, inner, timings, strict=True):
            if done < ROUNDS or own[1] > AGREE * own[0]:
                own.append(_spent(call, count, clock) / count)
                own.sort()
    unsettled = sum(own[1] > AGREE * own[0] for own in timings)
    return [own[1] for own in timings], unsettled <= len(calls) // 20


def _inner(call: Callable[[], object], clock: Clock) -> int:
    """How many calls last for about `RUN_SECONDS`."""
    count = 1
    while _spent(call, count, clock) < RUN_SECONDS / 2:
        count *= 3
    return count


def _spent(call: Callable[[], object], count: int, clock: Clock) -> float:
    call()  # what ran in between has emptied the caches
    begun = clock()
    for _ in range(count):
        call()
    return clock() - begun


@cache
def table(kind: Kind) -> Table:
    """The seconds of a call of a loop that no calibration knows. Measured once."""
    (nothing, *seconds), _ = quickest([empty(), *runs(kind)])
    return tabled(kind, seconds, nothing)


def tabled(kind: Kind, seconds: Sequence[float], nothing: float) -> Table:
    """The table from the seconds of `runs`, and of a run that does nothing."""
    return Table(axes_of(kind), tuple(max((each - nothing) / COPIES, SHORTEST) for each in seconds))


def axes_of(kind: Kind) -> tuple[tuple[int, ...], ...]:
    """The sizes at which a loop is timed. All of its arrays fit into the first-level cache, or nearly so."""
    if "f" in kind.pattern:
        return FAR
    if kind.pattern == "sparse":
        return (STACK, (OUTPUTS, 16 * OUTPUTS))
    if kind.pattern == "nonzeros":
        return STACK, ENTRIES[2:], STACK
    if kind.name == "matmul":
        axes = {"gemm": (MATRIX,) * 3, "gemm-t": (MATRIX,) * 3, "naive": (CORE,) * 3, "dot": (ENTRIES,)}
        return axes.get(kind.pattern.removeprefix(STACKED), (VECTOR,) * 2)
    if not kind.pattern:
        return (STACK, *((*CORE, 256),) * len(_core(kind)))
    return ROWS if kind.by_rows else (ENTRIES,)


def runs(kind: Kind) -> list[Alone]:
    """What to time for each entry of a table: `COPIES` calls of the loop, or products of a stack."""
    copies = 1 if kind.pattern.startswith(STACKED) else COPIES
    return [Alone([instruction(kind, sizes)] * copies) for sizes in product(*axes_of(kind))]


def empty() -> Alone:
    """A run that does nothing."""
    return Alone([])


def handed() -> Callable[[], object]:
    """A run of one small instruction that is given four arrays, as tapes of gradients and Jacobians are."""
    given = [np.ones(1) for _ in range(4)]
    tape = record(lambda a, b, c, out: np.copyto(out, a), signature(given[:3]), signature(given[3:]))  # noqa: ARG005
    ready = replayable(tape, "c" if machine.available() else "numpy", machine.products())
    return partial(ready.run, *given)


def streams(sizes: Sequence[int]) -> list[Alone]:
    """Reads of so many bytes, then writes, by functions of a page to or from one that stays in the cache.

    Each goes through its bytes again until it has moved `STREAMED` bytes.
    """
    negative = Loop("negative", np.negative, np.negative.types.index("d->d"))  # a copy would spare the cache
    memory = _view((max(sizes) // PAGE, PAGE // 8), "d", (PAGE, 8))
    made = []
    for written, size in product((False, True), sizes):
        shape = (size // PAGE, PAGE // 8)
        far, near = replace(memory, shape=shape), _view(shape, "d", (0, 8))
        views = (near, far) if written else (far, near)
        one = ufuncs.elementwise(negative, views, 1, shape, ufuncs.called(np.negative))
        made.append(Alone([one] * max(1, STREAMED // size)))
    return made


def instruction(kind: Kind, sizes: tuple[int, ...], rows: int = 0) -> Instruction:
    """One that calls a loop once with data of these sizes, or once for each of a number of rows."""
    name = kind.ufunc.__name__ if kind.ufunc else kind.name.removeprefix("rows_")
    loop = Loop(name, kind.ufunc, kind.k)
    if kind.pattern == "sparse":
        return _sparse(kind, loop, *sizes)
    if kind.pattern == "nonzeros":
        return _nonzeros(kind, *sizes)
    if kind.name == "matmul" or not kind.pattern:
        return _generalized(kind, loop, sizes)
    items = [np.dtype(char).itemsize for char in kind.chars]
    far = sizes[-1] if "f" in kind.pattern else 0
    shape = sizes[:1] if far else (rows, *sizes) if rows else sizes
    if "sums" in kind.name:
        return _sums(kind, loop, shape)
    views: list[View] = []
    for char, item, letter in zip(kind.chars, items, kind.pattern, strict=True):
        inner = {"0": 0, "c": item, "s": 3 * item, "f": far}[letter]
        outer = inner * shape[-1] + GAP if inner else item  # without a gap rows would become one
        views.append(_view(shape, char, (outer, inner)[-len(shape) :]))
    if kind.name.endswith(".reduce"):
        into, through, _ = views
        strides = (into.strides, through.strides, into.strides)
        by_numpy = ufuncs.reduced(kind.ufunc, None)
        return Instruction(loop, (into, through, into), 2, shape, strides, by_numpy, name=kind.name)
    reads = kind.ufunc.nin if kind.ufunc else len(views) - 1
    by_numpy = ufuncs.called(kind.ufunc) if kind.ufunc else ufuncs.select if reads == 3 else ufuncs.copyto
    return ufuncs.elementwise(loop, tuple(views), reads, shape, by_numpy)


def _sums(kind: Kind, loop: Loop, shape: tuple[int, ...]) -> Instruction:
    """The sums of rows or of columns, with a gap after each row."""
    char, item = kind.chars[0], np.dtype(kind.chars[0]).itemsize
    of_out = (item, 0) if kind.name.startswith("row") else (0, item)
    strides = ((0, 0), ((shape[1] + 1) * item, item), of_out)
    views = tuple(_view(shape, char, of) for of in strides)
    return Instruction(loop, views, 2, shape, strides, ufuncs.reduced(kind.ufunc, None), name="add.reduce")


def _generalized(kind: Kind, loop: Loop, sizes: tuple[int, ...]) -> Instruction:
    """A product of matrices, or whatever a generalized ufunc computes."""
    assert kind.ufunc is not None  # noqa: S101  (the machine's own loops have none)
    a, b = sizes[0], sizes[-1]
    shaped = {"rows": (1, a, b, 1), "columns": (1, 1, b, a), "dot": (1, 1, a, 1), "outer": (1, a, 1, b), "": sizes}
    pattern = kind.pattern.removeprefix(STACKED)
    outer, *core = shaped.get(pattern, (1, *sizes))
    outer = outer if pattern == kind.pattern else COPIES
    size = dict(zip(_core(kind), core, strict=True))
    apart = 2 if pattern == "naive" else 1  # no BLAS takes such strides
    views: list[View] = []
    for char, names in zip(kind.chars, ufuncs.core_of(kind.ufunc), strict=True):
        shape = (outer, *(size[name] for name in names))
        strides = loops.contiguous(shape, apart * np.dtype(char).itemsize)
        if pattern == "gemm-t" and len(views) == 1:
            strides = (*strides[:1], strides[2], strides[2] * shape[1])
        views.append(_view(shape, char, (strides[0] if pattern == kind.pattern else 0, *strides[1:])))
    return Instruction(
        loop,
        tuple(views),
        kind.ufunc.nin,
        (outer,),
        tuple(view.strides[:1] for view in views),
        ufuncs.called(kind.ufunc),
        tuple(core),
        tuple(step for view in views for step in view.strides[1:]),
        name=kind.name,
    )


def _sparse(kind: Kind, loop: Loop, rows: int, size: int) -> Instruction:
    """The product of a sparse matrix of `size` entries with rows; or its own rows, each of `size` entries."""
    own = "rows" in kind.name
    count = size if own else size // OUTPUTS
    matrix = scipy.sparse.csr_array(np.ones((OUTPUTS, count), kind.chars[0]))
    arrays = [matrix.data, matrix.indices.astype(kind.chars[1]), matrix.indptr.astype(kind.chars[1])]
    arrays += [np.ones((rows, count), kind.chars[0])] + ([] if own else [np.ones((rows, OUTPUTS), kind.chars[0])])
    views = [View(Storage("constant", a.nbytes, array=a), 0, a.shape, a.strides, a.dtype) for a in arrays]
    strides = tuple((0,) if k < 3 else view.strides[:1] for k, view in enumerate(views))

    def by_numpy(*operands: AnyArray) -> None:
        operands[-1][...] = matrix[:1].toarray() if own else rows_times(operands[-2], matrix)

    core, core_strides = ((count,), (views[-1].strides[-1],)) if own else ((OUTPUTS,), ())
    return Instruction(
        loop, tuple(views), len(views) - 1, (rows,), strides, by_numpy, core, core_strides, name=kind.name
    )


def _nonzeros(kind: Kind, N: int, t: int, m: int) -> Instruction:
    """A product with N rows of `t` entries, one of which is not zero."""
    shapes = [(N, m), (N, t), (m, t)] if "sum" in kind.name else [(N, t), (m, t), (N, m)]
    item = np.dtype(kind.chars[0]).itemsize
    views = [_view(shape, kind.chars[0], (shape[1] * item, item)) for shape in shapes]
    z = views["sum" in kind.name].storage.array
    assert z is not None  # noqa: S101  (a constant)
    z[...] = 0
    z[:: t + 1] = 1
    return (nonzeros.summed if "sum" in kind.name else nonzeros.of_rows)(*views)


def _core(kind: Kind) -> list[str]:
    """The core dimensions of a generalized ufunc."""
    assert kind.ufunc is not None  # noqa: S101  (the machine's own loops have none)
    return list(dict.fromkeys(name for names in ufuncs.core_of(kind.ufunc) for name in names))


def _view(shape: tuple[int, ...], char: str, strides: tuple[int, ...]) -> View:
    """An array of ones."""
    dtype = np.dtype(char)
    size = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + dtype.itemsize
    memory: AnyArray = np.empty(-(-size // dtype.itemsize), dtype)
    np.lib.stride_tricks.as_strided(memory, shape, strides)[...] = 1
    return View(Storage("constant", memory.nbytes, array=memory), 0, shape, strides, dtype)
