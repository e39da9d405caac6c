# ruff: noqa: ARG001, FBT001, FBT002, PLR0913, PLR0917  (the signatures are those of numpy's functions)
"""Functions of numpy's that recordings know, apart from ufuncs: views, new arrays, and a few that do arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.tape.traced import Traced

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder

Function = Callable[..., Any]

VIEWS: set[Function] = {
    np.transpose,
    np.swapaxes,
    np.moveaxis,
    np.rollaxis,
    np.broadcast_to,
    np.atleast_1d,
    np.atleast_2d,
    np.atleast_3d,
    np.expand_dims,
    np.squeeze,
    np.flip,
    np.matrix_transpose,
    np.lib.stride_tricks.sliding_window_view,
}
FACTS: set[Function] = {np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.can_cast}
METHODS: dict[Function, str] = {
    np.sum: "sum",
    np.prod: "prod",
    np.max: "max",
    np.amax: "max",
    np.min: "min",
    np.amin: "min",
    np.mean: "mean",
    np.all: "all",
    np.any: "any",
    np.ravel: "ravel",
}

_TABLE: dict[Function, Function] = {}
_CLIP: np.ufunc = np._core.umath.clip  # type: ignore[attr-defined]  # noqa: SLF001  (what np.clip calls)


def call(recorder: Recorder, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)` on traced arrays; raises `NotRecordable` for a function that isn't known."""
    if function in FACTS:
        return function(*map(_shadow, args), **kwargs)
    if function in VIEWS:
        a = recorder.traced(args[0])
        return Traced(recorder, a.storage, function(a.shadow, *args[1:], **kwargs))
    if function in METHODS:
        return getattr(recorder.traced(args[0]), METHODS[function])(*args[1:], **kwargs)
    if function not in _TABLE:
        recorder.refuse(f"numpy's {function.__name__}")
    return _TABLE[function](recorder, *args, **kwargs)


def _implements(*functions: Function) -> Callable[[Function], Function]:
    def add(implementation: Function) -> Function:
        _TABLE.update(dict.fromkeys(functions, implementation))
        return implementation

    return add


def _shadow(a: Any) -> Any:
    return a.shadow if isinstance(a, Traced) else a


@_implements(np.reshape)
def _reshape(recorder: Recorder, a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    return recorder.reshape(recorder.traced(a), shape, order, copy)


@_implements(np.copy)
def _copy(recorder: Recorder, a: Any, order: str = "K", subok: bool = False) -> Any:
    return recorder.copied(a, a.dtype, order)


@_implements(np.copyto)
def _copyto(recorder: Recorder, to: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    if where is not True:
        source = recorder.select(where, source, to)
    recorder.assign(to, source)


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)


def _filled(value: Any) -> Function:
    def make(recorder: Recorder, shape: Any, dtype: Any = None, **_: Any) -> Any:
        made = recorder.empty(_shape(shape), float if dtype is None else dtype)
        if value is not None:
            recorder.assign(made, value)
        return made

    return make


def _filled_like(value: Any) -> Function:
    def make(
        recorder: Recorder, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **_: Any
    ) -> Any:
        made = recorder.empty(a.shape if shape is None else _shape(shape), a.dtype if dtype is None else dtype)
        if value is not None:
            recorder.assign(made, value)
        return made

    return make


for _function, _like, _value in (
    (np.empty, np.empty_like, None),
    (np.zeros, np.zeros_like, 0),
    (np.ones, np.ones_like, 1),
):
    _implements(_function)(_filled(_value))
    _implements(_like)(_filled_like(_value))


@_implements(np.full)
def _full(recorder: Recorder, shape: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    value = recorder.traced(fill_value)
    made = recorder.empty(_shape(shape), value.dtype if dtype is None else dtype)
    recorder.assign(made, fill_value)
    return made


@_implements(np.full_like)
def _full_like(recorder: Recorder, a: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    made = recorder.empty(a.shape, a.dtype if dtype is None else dtype)
    recorder.assign(made, fill_value)
    return made


@_implements(np.eye)
def _eye(recorder: Recorder, N: int, M: int | None = None, k: int = 0, dtype: Any = float, **_: Any) -> Any:
    return recorder.constant(np.eye(N, M, k, dtype))


@_implements(np.arange)
def _arange(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
    return recorder.constant(np.arange(*args, **kwargs))


@_implements(np.where)
def _where(recorder: Recorder, condition: Any, *values: Any) -> Any:
    if len(values) != 2:
        recorder.refuse("indices that depend on values (np.where with one argument)")
    return recorder.select(condition, *values)


@_implements(np.concatenate)
def _concatenate(recorder: Recorder, arrays: Sequence[Any], axis: int = 0, out: Any = None, dtype: Any = None) -> Any:
    parts = [recorder.traced(a) for a in arrays]
    axis = np.lib.array_utils.normalize_axis_index(axis, parts[0].ndim)
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    if out is None:
        out = recorder.empty(shape, np.result_type(*(part.dtype for part in parts)) if dtype is None else dtype)
    start = 0
    for part in parts:
        at = (slice(None),) * axis + (slice(start, start + part.shape[axis]),)
        recorder.set(out, at, part)
        start += part.shape[axis]
    return out


@_implements(np.stack)
def _stack(recorder: Recorder, arrays: Sequence[Any], axis: int = 0, out: Any = None, dtype: Any = None) -> Any:
    parts: list[Any] = [np.expand_dims(recorder.traced(a), axis) for a in arrays]
    return _concatenate(recorder, parts, axis, out, dtype)


@_implements(np.dot)
def _dot(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b, out=out)
    if b.ndim > 2:
        recorder.refuse("np.dot with more than two axes")
    return np.matmul(a, b, out=out)


@_implements(np.outer)
def _outer(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(recorder.traced(a).ravel()[:, None], recorder.traced(b).ravel()[None, :], out=out)


@_implements(np.clip)
def _clip(recorder: Recorder, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    if low is None:
        return np.minimum(a, high, out=out)
    if high is None:
        return np.maximum(a, low, out=out)
    return _CLIP(a, low, high, out=out)


@_implements(np.einsum)
def _einsum(recorder: Recorder, subscripts: str, *operands: Any, **options: Any) -> Any:
    if len(operands) != 1 or options or "->" not in subscripts:
        recorder.refuse(f"np.einsum({subscripts!r}), unless it is the diagonal of one array")
    a, (before, after) = operands[0], subscripts.split("->")
    if set(before) != set(after) or len(after) != len(set(after)):
        recorder.refuse(f"np.einsum({subscripts!r}), unless it is the diagonal of one array")
    return Traced(recorder, a.storage, np.einsum(subscripts, a.shadow))


@_implements(np.shares_memory, np.may_share_memory)
def _shares(recorder: Recorder, a: Any, b: Any, max_work: Any = None) -> bool:
    return isinstance(a, Traced) and isinstance(b, Traced) and a.view.overlaps(b.view)
