# ruff: noqa: ARG001, FBT001, FBT002, PLR0913, PLR0917  (the signatures are those of numpy's functions)
"""Functions of numpy's that recordings know, apart from ufuncs: views, new arrays, and a few that do arithmetic."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.arrays import passes
from prograd.operators.sparse import rows_into, rows_times
from prograd.tape import sparse
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

_TABLE: dict[Function, Function] = {}
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
    if function not in _TABLE:
        recorder.refuse(f"numpy's {function.__name__}")
    return _TABLE[function](recorder, *args, **kwargs)


def _implements(*functions: Function) -> Callable[[Function], Function]:
    def add(implementation: Function) -> Function:
        _TABLE.update(dict.fromkeys(functions, implementation))
        return implementation

    return add


@_implements(passes)
def _passes(recorder: Recorder, starts: range, cuts: Sequence[int], like: Traced) -> Iterator[int]:
    return recorder.passes(starts, cuts)


_implements(rows_times)(sparse.times)
_implements(rows_into)(sparse.into)


def _view_of_each(function: Function) -> Function:
    def views(recorder: Recorder, *arrays: Any) -> Any:
        given = [recorder.traced(a) for a in arrays]
        made = tuple(Traced(recorder, a.storage, function(a.shadow)) for a in given)
        return made if len(made) > 1 else made[0]

    return views


for _each in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    _implements(_each)(_view_of_each(_each))


def _as_numpy(function: Function) -> Function:
    """For a function whose own code calls nothing but what recordings know."""
    return lambda _, *args, **kwargs: inspect.unwrap(function)(*args, **kwargs)


for _join in (np.hstack, np.vstack, np.dstack):
    _implements(_join)(_as_numpy(_join))


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
    if not isinstance(to, Traced):
        recorder.refuse("to write to an array that was made with np.empty or np.zeros, not with like= (np.copyto)")
    if where is not True:
        source = recorder.select(where, source, to)
    recorder.assign(to, source)


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list, range)) else (int(shape),)


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
        return _alike(recorder, a, value, dtype, order, shape)

    return make


def _alike(recorder: Recorder, a: Any, value: Any, dtype: Any, order: str, shape: Any) -> Any:
    made = recorder.alike(a, a.dtype if dtype is None else np.dtype(dtype), order)
    if shape is not None:
        made = recorder.empty(_shape(shape), made.dtype)
    if value is not None:
        recorder.assign(made, value)
    return made


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


@_implements(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def _array(recorder: Recorder, a: Any, dtype: Any = None, **options: Any) -> Any:
    if set(options) - {"copy"}:
        recorder.refuse(f"an array made with {', '.join(options)}")
    return recorder.copied(recorder.traced(a, None if dtype is None else np.dtype(dtype)), None, "C")


def _constant(function: Function) -> Function:
    def make(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
        return recorder.constant(function(*args, **kwargs))

    return make


for _made in (np.eye, np.identity, np.tri, np.arange):
    _implements(_made)(_constant(_made))


@_implements(np.where)
def _where(recorder: Recorder, condition: Any, *values: Any) -> Any:
    if len(values) != 2:
        recorder.refuse("indices that depend on values (np.where with one argument)")
    return recorder.select(condition, *values)


@_implements(np.select)
def _select(recorder: Recorder, condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = recorder.select(condition, choice, result)
    return result


@_implements(np.triu)
def _triu(recorder: Recorder, m: Any, k: int = 0) -> Any:
    return recorder.select(_below(m, k - 1), np.zeros(1, m.dtype), m)


@_implements(np.tril)
def _tril(recorder: Recorder, m: Any, k: int = 0) -> Any:
    return recorder.select(_below(m, k), m, np.zeros(1, m.dtype))


def _below(m: Any, k: int) -> Any:
    rows, columns = m.shape[-2:]
    return np.tri(rows, columns, k, bool)


@_implements(np.diag)
def _diag(recorder: Recorder, v: Any, k: int = 0) -> Any:
    if v.ndim != 1:
        return np.diagonal(v, k)
    n = v.size + abs(k)
    made = np.zeros((n, n), v.dtype, like=v)
    diagonal: Any = np.diagonal(made, k)
    recorder.assign(diagonal, v)
    return made


@_implements(np.broadcast_arrays)
def _broadcast_arrays(recorder: Recorder, *arrays: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(recorder.broadcast(a, shape) for a in arrays)


@_implements(np.take)
def _take(
    recorder: Recorder, a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    if mode != "raise" or out is not None or isinstance(indices, Traced):
        recorder.refuse("np.take with out=, with mode=, or with indices that depend on values")
    if axis is None:
        a, axis = a.ravel(), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return recorder.get(a, (*(slice(None),) * axis, np.asarray(indices)), "C")


@_implements(np.repeat)
def _repeat(recorder: Recorder, a: Any, repeats: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = a.ravel(), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return _take(recorder, a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@_implements(np.tile)
def _tile(recorder: Recorder, A: Any, reps: Any) -> Any:
    reps = _shape(reps)
    shape = (1,) * (len(reps) - A.ndim) + A.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    pairs = [n for n in shape for n in (1, n)]
    tiles = [n for pair in zip(reps, shape, strict=True) for n in pair]
    tiled = recorder.copied(recorder.broadcast(A.reshape(pairs), tuple(tiles)), A.dtype, "C")
    return tiled.reshape([one * n for one, n in zip(reps, shape, strict=True)])


@_implements(np.roll)
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


@_implements(np.pad)
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


@_implements(np.diff)
def _diff(recorder: Recorder, a: Any, n: int = 1, axis: int = -1) -> Any:
    before = (slice(None),) * np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    for _ in range(n):
        a = (np.not_equal if a.dtype == bool else np.subtract)(a[*before, 1:], a[*before, :-1])
    return a


@_implements(np.cumsum)
def _cumsum(recorder: Recorder, a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.add.accumulate(*((a.ravel(), 0) if axis is None else (a, axis)), dtype=dtype, out=out)


@_implements(np.cumprod)
def _cumprod(recorder: Recorder, a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.multiply.accumulate(*((a.ravel(), 0) if axis is None else (a, axis)), dtype=dtype, out=out)


@_implements(np.concatenate)
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


@_implements(np.unstack)
def _unstack(recorder: Recorder, x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    moved: Any = np.moveaxis(recorder.traced(x), axis, 0)  # type: ignore[type-var]  # a duck array
    return tuple(recorder.get(moved, k) for k in range(len(moved)))


@_implements(np.stack)
def _stack(recorder: Recorder, arrays: Sequence[Any], axis: int = 0, out: Any = None, dtype: Any = None) -> Any:
    parts: list[Any] = [np.expand_dims(recorder.traced(a), axis) for a in arrays]
    return _concatenate(recorder, parts, axis, out, dtype)


@_implements(np.dot)
def _dot(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b, out=out)
    if a.ndim < 3 and b.ndim < 3:
        return np.matmul(a, b, out=out)
    return _inner_products(a, b if b.ndim == 1 else np.moveaxis(b, -2, -1), out)


@_implements(np.inner)
def _inner(recorder: Recorder, a: Any, b: Any) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b)
    return np.matmul(a, b.T) if a.ndim < 3 and b.ndim < 3 else _inner_products(a, b, None)


def _inner_products(a: Any, b: Any, out: Any) -> Any:
    """Of each last axis of `a` with each of `b`. For more than two axes, numpy calls no product of matrices here."""
    return np.vecdot(a[..., *(None,) * (b.ndim - 1), :], b, out=out)


@_implements(np.vdot)
def _vdot(recorder: Recorder, a: Any, b: Any) -> Any:
    return np.matmul(recorder.traced(a).ravel(), recorder.traced(b).ravel())


@_implements(np.tensordot)
def _tensordot(recorder: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    ours, theirs = ([int(k) % c.ndim for k in _shape(of)] for c, of in zip((a, b), axes, strict=True))
    our_rest, their_rest = ([k for k in range(c.ndim) if k not in of] for c, of in ((a, ours), (b, theirs)))
    inner = math.prod(a.shape[k] for k in ours)
    left = a.transpose(our_rest + ours).reshape(math.prod(a.shape[k] for k in our_rest), inner)
    right = b.transpose(theirs + their_rest).reshape(inner, math.prod(b.shape[k] for k in their_rest))
    return np.matmul(left, right).reshape([a.shape[k] for k in our_rest] + [b.shape[k] for k in their_rest])


@_implements(np.linalg.norm)
def _norm(recorder: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    if axis is None and (ord is None or (ord == 2 and x.ndim == 1) or (ord == "fro" and x.ndim == 2)):
        flat = _in_memory_order(x)
        norm = np.sqrt(flat @ flat)
        return norm.reshape((1,) * x.ndim) if keepdims else norm
    one = axis is not None and len(_shape(axis)) == 1
    if ord is None or (one and ord == 2):
        return np.sqrt((x * x).sum(axis, keepdims=keepdims))
    if one and ord == 1:
        return abs(x).sum(axis, keepdims=keepdims)
    if one and ord == np.inf:
        return abs(x).max(axis, keepdims=keepdims)
    return recorder.refuse(f"np.linalg.norm with ord={ord!r} and axis={axis!r}")


def _in_memory_order(x: Any) -> Any:
    """`x.ravel(order="K")`."""
    made = x.copy("K")
    axes = sorted(range(x.ndim), key=lambda k: -made.strides[k])
    return made.transpose(axes).ravel() if x.ndim else made.ravel()


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
    before, _, after = subscripts.replace(" ", "").partition("->")
    names = before.split(",")
    known = not options and "->" in subscripts and "." not in subscripts and len(set(after)) == len(after)
    if known and len(operands) == 1 and set(before) == set(after):
        a = recorder.traced(operands[0])
        return Traced(recorder, a.storage, np.einsum(subscripts, a.shadow))
    if known and len(operands) == 2 and set(names[0]) | set(names[1]) == set(after):
        one, other = (_expanded(recorder.traced(a), own, after) for a, own in zip(operands, names, strict=True))
        return np.multiply(one, other) + 0.0  # as numpy, which adds to zero: −0 becomes 0
    return recorder.refuse(f"np.einsum({subscripts!r}), which sums; use @, np.vecdot or np.sum")


def _expanded(a: Any, names: str, after: str) -> Any:
    """`a`, whose axes have names, with the axes `after`: those that it lacks have size 1."""
    own = "".join(name for name in after if name in names)
    view = np.einsum(f"{names}->{own}", a)
    return view[tuple(slice(None) if name in names else None for name in after)]


@_implements(np.shares_memory, np.may_share_memory)
def _shares(recorder: Recorder, a: Any, b: Any, max_work: Any = None) -> bool:
    return isinstance(a, Traced) and isinstance(b, Traced) and a.view.overlaps(b.view)
