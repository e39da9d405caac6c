"""A tape in words: each instruction with its arrays, what it computes and moves, and where its result lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import DTypeLike

from prograd.tape.instructions import Instruction, Storage, View
from prograd.tape.tape import Tape

GRADIENT = ("w", "x", "y", "p", "sums")
"""The arrays that a replay of a gradient is given."""

WEIGHTED: Final = ("w", "x", "y", "c", "p", "sums")
"""Those of a gradient of weighted samples."""

HEADINGS = ("", "instruction", "reads", "writes", "multiply-adds", "bytes")


class HasTapes(Protocol):
    """What has a tape for each mode: an objective."""

    def tape(self, mode: Any, dtype: DTypeLike, max_bytes: int | None) -> Tape:
        """The tape of `value_and_gradient`."""
        ...


def explain(f: HasTapes, mode: Any = "reverse", dtype: DTypeLike = np.float64, max_bytes: int | None = None) -> str:
    """The tape of `f.value_and_gradient` in a mode, as a table with a line for each instruction.

    `w`, `x`, `y`, `p` and `sums` are the arrays that a replay is given, and `c` the weights if there are any; `@n` is
    scratch memory from byte n on, `const` is a constant. A line above each group says in how many blocks it runs.
    Raises `NotRecordable`.
    """
    tape = f.tape(mode, dtype, max_bytes)
    return table(tape, names=WEIGHTED if len(tape.given) == len(WEIGHTED) else GRADIENT)


def table(tape: Tape, seconds: Sequence[str] = (), names: Sequence[str] = GRADIENT) -> str:
    """A tape as `explain` prints it, with one more column if the time of each instruction is given."""
    return "\n".join(_lines(tape, names, list(seconds)))


def _lines(tape: Tape, names: Sequence[str], seconds: Sequence[str]) -> list[str]:
    rows: list[tuple[str, ...]] = [(*HEADINGS, "time") if seconds else HEADINGS]
    number = 0
    for group in tape.groups:
        if group.blocks > 1:
            what = "1 instruction" if len(group.instructions) == 1 else f"{len(group.instructions)} instructions"
            rows.append((f"{what} in {group.blocks} blocks of {group.block} rows:",))
        for one in group.instructions:
            rows.append((str(number), *_cells(tape, one, names), *seconds[number : number + 1]))
            number += 1
    widths = [max(len(row[k]) for row in rows if len(row) > 1) for k in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    total = (
        f"{number} instructions, {tape.multiply_adds:,} multiply-adds, {tape.scratch_bytes:,} bytes of scratch memory"
    )
    return [*lines, total]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    if len(row) == 1:
        return row[0]
    right = {0, 4, 5, 6}
    cells = (
        cell.rjust(n) if k in right else cell.ljust(n) for k, (cell, n) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _cells(tape: Tape, one: Instruction, names: Sequence[str]) -> tuple[str, ...]:
    reads = one.inputs[1:] if one.reduces else one.inputs
    return (
        one.name,
        " ".join(_array(tape, view, names) for view in reads),
        " ".join(_array(tape, view, names) for view in one.outputs),
        f"{one.multiply_adds:,}" if one.multiply_adds else "",
        f"{one.nbytes:,}",
    )


def _array(tape: Tape, view: View, names: Sequence[str]) -> str:
    shape = "×".join(map(str, view.shape)) or "·"
    return f"{_place(tape, view.storage, view.offset, names)}[{shape}]"


def _place(tape: Tape, storage: Storage, offset: int, names: Sequence[str]) -> str:
    if storage.kind == "scratch":
        return f"@{tape.offsets[storage] + offset}"
    if storage.kind == "constant":
        array: Any = storage.array
        return repr(array.item()) if array is not None and array.size == 1 else "const"
    return names[storage.position] + (f"+{offset}" if offset else "")
