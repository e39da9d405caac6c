"""Results that are copied to their place after they were made are made there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from prograd.tape.instructions import Instruction, Storage, View
from prograd.tape.loops import contiguous


def forwarded(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions without those copies whose source nobody needs before or after, and could have lain there."""
    made: list[Instruction | None] = list(instructions)
    uses: dict[Storage, list[int]] = defaultdict(list)
    for k, one in enumerate(instructions):
        for storage in {view.storage for view in one.operands}:
            uses[storage].append(k)
    for k, one in enumerate(instructions):
        if one.loop.ufunc is not None or not one.name.startswith("copy"):
            continue
        source, to = (made[k] or one).operands
        if not _whole(source) or not _alike(source, to) or uses[source.storage][-1] != k:
            continue
        if not _is_free(made, uses, source, to, k):
            continue
        made[k] = None
        for j in uses.pop(source.storage)[:-1]:
            other = made[j]
            if other is not None:
                made[j] = _moved(other, source.storage, to)
            uses[to.storage].append(j)
        uses[to.storage] = sorted(set(uses[to.storage]) - {k})
    return [one for one in made if one is not None]


def _whole(view: View) -> bool:
    """Whether it is all of an array of the tape's own."""
    dense = contiguous(view.shape, view.dtype.itemsize)
    same = all(n == 1 or a == b for n, a, b in zip(view.shape, view.strides, dense, strict=True))
    return view.storage.kind == "scratch" and view.offset == 0 and same and view.nbytes == view.storage.size


def _alike(one: View, other: View) -> bool:
    """Whether entries lie at the same distances."""
    return one.storage is not other.storage and all(
        n == 1 or a == b for n, a, b in zip(one.shape, one.strides, other.strides, strict=True)
    )


def _is_free(
    made: Sequence[Instruction | None], uses: dict[Storage, list[int]], source: View, to: View, k: int
) -> bool:
    """Whether nobody uses the place between the first use of the source, which writes to it, and the copy."""
    first = uses[source.storage][0]
    begins = made[first]
    if begins is None or any(view.storage is source.storage for view in begins.inputs):
        return False
    between = (made[j] for j in uses[to.storage] if first <= j < k)
    return not any(view.overlaps(to) for one in between if one is not None for view in one.operands)


def _moved(one: Instruction, storage: Storage, to: View) -> Instruction:
    operands = tuple(
        replace(view, storage=to.storage, offset=view.offset + to.offset) if view.storage is storage else view
        for view in one.operands
    )
    return replace(one, operands=operands)
