# ruff: noqa: ARG001, FBT001, FBT002, PLR0913, PLR0917  (the signatures are those of numpy's functions)
"""Functions of numpy's that recordings know, apart from ufuncs and products: views, new arrays, copies of parts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.arrays import passes
from prograd.operators.nonzeros import nonzeros_into, nonzeros_times
from prograd.operators.sparse import rows_into, rows_times
from prograd.tape import nonzeros, products, sparse  # noqa: F401  (products fills the table)
from prograd.tape.implementations import TABLE, Function, implements, numbers
from prograd.tape.traced import Traced

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder

VIEWS: set[Function] = {
    np.transpose,
    np.swapaxes,
    np.moveaxis,
    np.rollaxis,
    np.broadcast_to,
    np.expand_dims,
    np.squeeze,
    np.flip,
    np.fliplr,
    np.flipud,
    np.rot90,
    np.diagonal,
    np.real,
    np.matrix_transpose,
    np.lib.stride_tricks.sliding_window_view,
    np.split,
    np.array_split,
    np.hsplit,
    np.vsplit,
    np.dsplit,
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
    np.var: "var",
    np.std: "std",
    np.all: "all",
    np.any: "any",
    np.ravel: "ravel",
    np.trace: "trace",
    np.astype: "astype",
}

_CLIP: np.ufunc = np._core.umath.clip  # type: ignore[attr-defined]  # noqa: SLF001  (what np.clip calls)


def call(recorder: Recorder, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)` on traced arrays; raises `NotRecordable` for a function that isn't known."""
    if function in FACTS:
        return function(*map(_shadow, args), **kwargs)
    if function in VIEWS:
        a = recorder.traced(args[0])
        views = function(a.shadow, *args[1:], **kwargs)
        if isinstance(views, np.ndarray):
            return Traced(recorder, a.storage, views)
        if not all(isinstance(view, np.ndarray) for view in views):
            recorder.refuse(f"single numbers of numpy's {function.__name__}")
        return type(views)(Traced(recorder, a.storage, view) for view in views)
    if function in METHODS:
        return getattr(recorder.traced(args[0]), METHODS[function])(*args[1:], **kwargs)
    if function not in TABLE:
        recorder.refuse(f"numpy's {function.__name__}")
    return TABLE[function](recorder, *args, **kwargs)


@implements(passes)
def _passes(recorder: Recorder, starts: range, cuts: Sequence[int], like: Traced) -> Iterator[int]:
    return recorder.passes(starts, cuts)


implements(rows_times)(sparse.times)
implements(rows_into)(sparse.into)
implements(nonzeros_times)(nonzeros.times)
implements(nonzeros_into)(nonzeros.into)


def _view_of_each(function: Function) -> Function:
    def views(recorder: Recorder, *arrays: Any) -> Any:
        given = [recorder.traced(a) for a in arrays]
        made = tuple(Traced(recorder, a.storage, function(a.shadow)) for a in given)
        return made if len(made) > 1 else made[0]

    return views


for _each in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    implements(_each)(_view_of_each(_each))


def _as_numpy(function: Function) -> Function:
    """For a function whose own code calls nothing but what recordings know."""
    return lambda _, *args, **kwargs: inspect.unwrap(function)(*args, **kwargs)


for _join in (np.hstack, np.vstack, np.dstack):
    implements(_join)(_as_numpy(_join))


def _shadow(a: Any) -> Any:
    return a.shadow if isinstance(a, Traced) else a


@implements(np.reshape)
def _reshape(recorder: Recorder, a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    return recorder.reshape(recorder.traced(a), shape, order, copy)


@implements(np.copy)
def _copy(recorder: Recorder, a: Any, order: str = "K", subok: bool = False) -> Any:
    return recorder.copied(a, a.dtype, order)


@implements(np.copyto)
def _copyto(recorder: Recorder, to: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not isinstance(to, Traced):
        recorder.refuse("to write to an array that was made with np.empty or np.zeros, not with like= (np.copyto)")
    if where is not True:
        source = recorder.select(where, source, to)
    recorder.assign(to, source)


def _filled(value: Any) -> Function:
    def make(recorder: Recorder, shape: Any, dtype: Any = None, **_: Any) -> Any:
        made = recorder.empty(numbers(shape), float if dtype is None else dtype)
        if value is not None:
            recorder.assign(made, value)
        return made

    return make


def _filled_like(value: Any) -> Function:
    def make(
        recorder: Recorder, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **_: Any
    ) -> Any:
        return _alike(recorder, a, value, dtype, order, shape)

    return make


def _alike(recorder: Recorder, a: Any, value: Any, dtype: Any, order: str, shape: Any) -> Any:
    made = recorder.alike(a, a.dtype if dtype is None else np.dtype(dtype), order)
    if shape is not None:
        made = recorder.empty(numbers(shape), made.dtype)
    if value is not None:
        recorder.assign(made, value)
    return made


for _function, _like, _value in (
    (np.empty, np.empty_like, None),
    (np.zeros, np.zeros_like, 0),
    (np.ones, np.ones_like, 1),
):
    implements(_function)(_filled(_value))
    implements(_like)(_filled_like(_value))


@implements(np.full)
def _full(recorder: Recorder, shape: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    value = recorder.traced(fill_value)
    made = recorder.empty(numbers(shape), value.dtype if dtype is None else dtype)
    recorder.assign(made, fill_value)
    return made


@implements(np.full_like)
def _full_like(
    recorder: Recorder,
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    **_: Any,
) -> Any:
    return _alike(recorder, a, fill_value, dtype, order, shape)


@implements(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def _array(recorder: Recorder, a: Any, dtype: Any = None, **options: Any) -> Any:
    if set(options) - {"copy"}:
        recorder.refuse(f"an array made with {', '.join(options)}")
    return recorder.copied(recorder.traced(a, None if dtype is None else np.dtype(dtype)), None, "C")


def _constant(function: Function) -> Function:
    def make(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
        return recorder.constant(function(*args, **kwargs))

    return make


for _made in (np.eye, np.identity, np.tri, np.arange):
    implements(_made)(_constant(_made))


@implements(np.where)
def _where(recorder: Recorder, condition: Any, *values: Any) -> Any:
    if len(values) != 2:
        recorder.refuse("indices that depend on values (np.where with one argument)")
    return recorder.select(condition, *values)


@implements(np.select)
def _select(recorder: Recorder, condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = recorder.select(condition, choice, result)
    return result


@implements(np.triu)
def _triu(recorder: Recorder, m: Any, k: int = 0) -> Any:
    return recorder.select(_below(m, k - 1), np.zeros(1, m.dtype), m)


@implements(np.tril)
def _tril(recorder: Recorder, m: Any, k: int = 0) -> Any:
    return recorder.select(_below(m, k), m, np.zeros(1, m.dtype))


def _below(m: Any, k: int) -> Any:
    rows, columns = m.shape[-2:]
    return np.tri(rows, columns, k, bool)


@implements(np.diag)
def _diag(recorder: Recorder, v: Any, k: int = 0) -> Any:
    if v.ndim != 1:
        return np.diagonal(v, k)
    n = v.size + abs(k)
    made = np.zeros((n, n), v.dtype, like=v)
    diagonal: Any = np.diagonal(made, k)
    recorder.assign(diagonal, v)
    return made


@implements(np.broadcast_arrays)
def _broadcast_arrays(recorder: Recorder, *arrays: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(recorder.broadcast(a, shape) for a in arrays)


@implements(np.take)
def _take(
    recorder: Recorder, a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    if mode != "raise" or out is not None or isinstance(indices, Traced):
        recorder.refuse("np.take with out=, with mode=, or with indices that depend on values")
    if axis is None:
        a, axis = a.ravel(), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return recorder.get(a, (*(slice(None),) * axis, np.asarray(indices)), "C")


@implements(np.repeat)
def _repeat(recorder: Recorder, a: Any, repeats: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = a.ravel(), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return _take(recorder, a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@implements(np.tile)
def _tile(recorder: Recorder, A: Any, reps: Any) -> Any:
    reps = numbers(reps)
    shape = (1,) * (len(reps) - A.ndim) + A.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    pairs = [n for n in shape for n in (1, n)]
    tiles = [n for pair in zip(reps, shape, strict=True) for n in pair]
    tiled = recorder.copied(recorder.broadcast(A.reshape(pairs), tuple(tiles)), A.dtype, "C")
    return tiled.reshape([one * n for one, n in zip(reps, shape, strict=True)])


@implements(np.roll)
def _roll(recorder: Recorder, a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return _roll(recorder, a.ravel(), shift, 0).reshape(a.shape)
    made = a
    for by, along in np.broadcast(shift, axis):
        k = np.lib.array_utils.normalize_axis_index(int(along), a.ndim)
        n = a.shape[k]
        start = int(by) % n if n else 0
        if start:
            before, source = (slice(None),) * k, made
            made = recorder.alike(a, a.dtype, "K")
            made[*before, start:] = source[*before, : n - start]
            made[*before, :start] = source[*before, n - start :]
    return a.copy("K") if made is a else made


@implements(np.pad)
def _pad(recorder: Recorder, array: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    if mode == "constant" and np.ndim(constant_values) == 0:
        made = recorder.empty([n + sum(width) for n, width in zip(array.shape, widths, strict=True)], array.dtype)
        recorder.assign(made, constant_values)
        made[tuple(slice(left, left + n) for n, (left, _) in zip(array.shape, widths, strict=True))] = array
        return made
    if mode not in {"edge", "reflect", "symmetric", "wrap"}:
        recorder.refuse(f"np.pad with mode={mode!r} and constant_values={constant_values!r}")
    for axis, width in enumerate(widths):
        array = _take(recorder, array, np.pad(np.arange(array.shape[axis]), width, mode), axis)
    return array


@implements(np.diff)
def _diff(recorder: Recorder, a: Any, n: int = 1, axis: int = -1) -> Any:
    before = (slice(None),) * np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    for _ in range(n):
        a = (np.not_equal if a.dtype == bool else np.subtract)(a[*before, 1:], a[*before, :-1])
    return a


@implements(np.cumsum)
def _cumsum(recorder: Recorder, a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.add.accumulate(*((a.ravel(), 0) if axis is None else (a, axis)), dtype=dtype, out=out)


@implements(np.cumprod)
def _cumprod(recorder: Recorder, a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.multiply.accumulate(*((a.ravel(), 0) if axis is None else (a, axis)), dtype=dtype, out=out)


@implements(np.concatenate)
def _concatenate(
    recorder: Recorder,
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: Any = None,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    parts = [recorder.traced(a) for a in arrays]
    if axis is None:
        parts, axis = [part.ravel() for part in parts], 0
    axis = np.lib.array_utils.normalize_axis_index(axis, parts[0].ndim)
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    if out is None:
        out = recorder.empty(shape, np.result_type(*(part.dtype for part in parts)) if dtype is None else dtype)
    elif not isinstance(out, Traced):
        recorder.refuse("to write to an array that was made with np.empty or np.zeros, not with like= (np.concatenate)")
    start = 0
    for part in parts:
        at = (slice(None),) * axis + (slice(start, start + part.shape[axis]),)
        recorder.set(out, at, part)
        start += part.shape[axis]
    return out


@implements(np.unstack)
def _unstack(recorder: Recorder, x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    moved: Any = np.moveaxis(recorder.traced(x), axis, 0)  # type: ignore[type-var]  # a duck array
    return tuple(recorder.get(moved, k) for k in range(len(moved)))


@implements(np.stack)
def _stack(recorder: Recorder, arrays: Sequence[Any], axis: int = 0, out: Any = None, dtype: Any = None) -> Any:
    parts: list[Any] = [np.expand_dims(recorder.traced(a), axis) for a in arrays]
    return _concatenate(recorder, parts, axis, out, dtype)


@implements(np.clip)
def _clip(recorder: Recorder, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    if low is None:
        return np.minimum(a, high, out=out)
    if high is None:
        return np.maximum(a, low, out=out)
    return _CLIP(a, low, high, out=out)


@implements(np.shares_memory, np.may_share_memory)
def _shares(recorder: Recorder, a: Any, b: Any, max_work: Any = None) -> bool:
    return isinstance(a, Traced) and isinstance(b, Traced) and a.view.overlaps(b.view)
