"""What the inner loops of ufuncs are called with: dtypes, shapes and strides, and the same by numpy's own functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from prograd.arrays import Array
from prograd.errors import NotRecordable
from prograd.tape import loops
from prograd.tape.instructions import AnyArray, Instruction, Loop, View
from prograd.tape.traced import Traced


def kind(a: Any) -> Any:
    """What numpy decides dtypes by: a Python number is weak."""
    if isinstance(a, Traced):
        return a.dtype
    if type(a) in {int, float}:
        return type(a)
    return np.asarray(a).dtype


@lru_cache(1024)
def loop_of(ufunc: np.ufunc, kinds: tuple[Any, ...], dtype: np.dtype[Any] | None) -> tuple[Loop, tuple[Any, ...]]:
    """The inner loop for operands of these kinds, and its dtypes."""
    given = kinds if dtype is None else tuple(dtype for _ in kinds)
    dtypes = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout))
    chars = "".join(d.char for d in dtypes[: ufunc.nin]) + "->" + "".join(d.char for d in dtypes[ufunc.nin :])
    if chars not in ufunc.types:
        raise NotRecordable("", "", f"{ufunc.__name__} of {', '.join(map(str, dtypes[: ufunc.nin]))}")
    return Loop(ufunc.__name__, ufunc, ufunc.types.index(chars)), dtypes


@lru_cache(256)
def core_of(ufunc: np.ufunc) -> list[list[str]]:
    """The names of the core dimensions of each operand: `(n?,k),(k,m?)->(n?,m?)` as n k, k m, n m."""
    assert ufunc.signature is not None  # noqa: S101  (generalized)
    inputs, outputs = ufunc.signature.split("->")
    groups = [*inputs.strip("()").split("),("), *outputs.strip("()").split("),(")]
    return [[name.strip(" ?") for name in group.split(",") if name.strip()] for group in groups]


def elementwise(loop: Loop, views: tuple[View, ...], reads: int, shape: tuple[int, ...], by_numpy: Any) -> Instruction:
    """The instruction of an elementwise loop on views, of which the first `reads` are read."""
    strides = tuple([broadcast_strides(view.shape, view.strides, shape) for view in views])
    count = math.prod(shape)
    multiply_adds = count if loop.name in {"multiply", "true_divide", "divide", "square"} else 0
    return Instruction(
        loop, views, reads, shape, strides, by_numpy, rows=True, multiply_adds=multiply_adds, name=loop.name
    )


@lru_cache(loops.SHAPES)
def broadcast_strides(own: tuple[int, ...], strides: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array of the shape `own` that is broadcast to `shape`."""
    missing = len(shape) - len(own)
    return (0,) * missing + tuple(stride if n != 1 else 0 for n, stride in zip(own, strides, strict=True))


def matrices(  # noqa: PLR0913, PLR0917
    loop: Loop,
    operands: Sequence[Traced],
    shadows: Sequence[AnyArray],
    core: Sequence[Sequence[str]],
    sizes: dict[str, int],
    lead: tuple[int, ...],
    by_numpy: Any,
) -> Instruction:
    """The instruction of a generalized ufunc: its core dimensions are the last axes of the shadows."""
    strides: list[tuple[int, ...]] = []
    core_strides: list[int] = []
    for a, names in zip(shadows, core, strict=True):
        place = a.ndim - len(names)
        own = a.strides
        strides.append(broadcast_strides(a.shape[:place], own[:place], lead))
        core_strides += own[place:]
    dims = tuple(sizes.values())  # in the order of the signature
    return Instruction(
        loop,
        tuple(a.view for a in operands),
        len(operands) - 1,
        lead,
        tuple(strides),
        by_numpy,
        dims,
        tuple(core_strides),
        multiply_adds=math.prod(lead) * math.prod(dims),
        name=loop.name,
    )


def reduction(  # noqa: PLR0913, PLR0917
    loop: Loop, start: Traced | None, a: Traced, out: Traced, axes: tuple[int, ...], first: Any
) -> Instruction:
    """The instruction that adds `a` to a start along axes, in the order in which NumPy goes through them.

    Without a number to start with, it starts with the first entries of `a`.
    """
    to, through = loops.reduction(a.shadow, out.shadow, axes)

    def view(of: Traced, iterated: AnyArray) -> View:
        offset = iterated.__array_interface__["data"][0] - loops.ADDRESS
        return View(of.storage, offset, iterated.shape, iterated.strides, iterated.dtype)

    if start is None:
        kept = tuple(stride if step else 0 for stride, step in zip(through.strides, to.strides, strict=True))
        begins = replace(view(a, through), strides=kept)
    else:
        begins = replace(start.view, shape=through.shape, strides=(0,) * through.ndim)
    return Instruction(
        loop,
        (begins, view(a, through), view(out, to)),
        2,
        through.shape,
        (begins.strides, through.strides, to.strides),
        reduced(loop.ufunc, first),
        rows=bool(to.strides) and to.strides[0] != 0 and through.ndim > 1,
        name=f"{loop.name}.reduce",
    )


@cache
def called(ufunc: np.ufunc) -> Any:
    """What calls a ufunc on the operands of an instruction."""

    def call(*operands: Array) -> None:
        ufunc(*operands[: ufunc.nin], out=operands[ufunc.nin :])

    return call


def reduced(ufunc: np.ufunc | None, first: Any) -> Any:
    """What reduces the operands of an instruction, as the loop does."""
    assert ufunc is not None  # noqa: S101  (reductions are ufuncs')

    def call(start: Array, a: Array, out: Array) -> None:  # noqa: ARG001
        axes = tuple(k for k, stride in enumerate(out.strides) if stride == 0 and a.shape[k] != 1)
        kept = out[(*(0 if k in axes else slice(None) for k in range(out.ndim)), ...)]
        options = {} if first is None else {"initial": first}
        ufunc.reduce(a, axis=axes, out=kept, **options)

    return call


def copyto(source: Array, to: Array) -> None:
    """A copy, or a cast."""
    np.copyto(to, source, casting="unsafe")


def select(where: Array, one: Array, other: Array, to: Array) -> None:
    """`np.where`."""
    to[...] = np.where(where, one, other)  # `to` may lie where one of the others did


CASTS = {f"cast_{pair}" for pair in ("fd", "df", "?f", "?d", "?l", "lf", "ld", "f?", "d?", "l?")}
