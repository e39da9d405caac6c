"""The recorder: writes down each operation on traced arrays as instructions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from prograd.errors import NotRecordable
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.penalty import Penalty
from prograd.tape import functions, indices, loops, ufuncs
from prograd.tape.instructions import AnyArray, Instruction, Loop, Storage, digest
from prograd.tape.traced import Traced

_NOT_GIVEN: Any = np._NoValue  # noqa: SLF001  (what np.sum passes on)
MOST_ARRAYS, MOST_OPERANDS, MOST_CORE = 60, 16, 7  # what the machine has room for

_SPECIAL_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}


class Recorder:
    """A recording: `inputs` and `outputs` are arrays that each replay is given, everything else is the tape's own."""

    most: float = 10**6
    """Instructions of a tape; where there are more, the interpreter's share is small in any case."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.arrays: list[Storage] = []
        self._constants: dict[int, tuple[Storage, AnyArray, bytes]] = {}

    # Arrays.

    def input(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Traced:
        """An array that each replay is given and reads."""
        return self._given("input", shape, dtype)

    def output(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Traced:
        """An array that each replay is given and writes."""
        return self._given("output", shape, dtype)

    def empty(self, shape: Sequence[int], dtype: Any) -> Traced:
        """An array of the tape's own, whose numbers are whatever is there."""
        return self._new(loops.shadow(tuple(map(int, shape)), np.dtype(dtype)))

    def constant(self, array: AnyArray) -> Traced:
        """An array that is the same in each replay, as long as nobody writes to it."""
        if array.dtype.char not in "fdl?" or not array.dtype.isnative or not array.flags.aligned:
            self.refuse(f"arrays of {array.dtype}" if array.flags.aligned else "arrays that are not aligned")
        return self.kept(array)

    def kept(self, array: AnyArray) -> Traced:
        """A constant of any dtype, which instructions made for it may read."""
        if id(array) not in self._constants:
            before = digest(array) if array.flags.writeable else b""
            self._constants[id(array)] = Storage("constant", array.nbytes, array=array), array, before
        return Traced(self, self._constants[id(array)][0], loops.shadow(array.shape, array.dtype, array.strides))

    def traced(self, value: Any, dtype: np.dtype[Any] | None = None) -> Traced:
        """`value` as an array of the recording, in the given dtype."""
        if isinstance(value, Traced):
            if value.recorder is not self:
                self.refuse("an array that was kept from another recording")
            return value if dtype is None or value.dtype == dtype else self.copied(value, dtype, "K")
        array = np.asarray(value) if dtype is None else np.asarray(value, dtype)
        if type(value) in {bool, int, float}:
            array.flags.writeable = False  # nobody else has it
        return self.constant(array)

    def close(self) -> None:
        """Ends the recording. Raises `NotRecordable` if a constant was changed meanwhile."""
        if len(self.arrays) > MOST_ARRAYS:
            self.refuse(f"more than {MOST_ARRAYS} arrays")
        if any(before and digest(array) != before for _, array, before in self._constants.values()):
            self.refuse("to change an array of numpy's own after it was used (np.zeros and the like, without like=)")

    def hold(self, storage: Storage) -> object:
        """What an array of this memory keeps for as long as it lives."""
        return None

    def passes(self, starts: range, cuts: Sequence[int]) -> Iterator[int]:
        """Which of some equal passes are recorded (see `arrays.passes`): all of them."""
        return iter(starts)

    # Operations.

    def ufunc(  # noqa: C901  (a ufunc can be called in many ways)
        self, ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """`ufunc(*inputs)` or one of its methods."""
        out = options.pop("out", None)
        if options.pop("where", True) is not True:
            self.refuse(f"{ufunc.__name__} with where=")
        if method == "reduce":
            return self._reduce(ufunc, inputs[0], None if out is None else out[0], **options)
        if method == "accumulate":
            return self._accumulate(ufunc, inputs[0], None if out is None else out[0], **options)
        if method == "outer" and len(inputs) == 2:
            one, other = (self.traced(a) for a in inputs)
            inputs = (one.reshape(*one.shape, *(1,) * other.ndim), other)
        elif method != "__call__":
            self.refuse(f"{ufunc.__name__}.{method}")
        dtype = options.pop("dtype", None)
        options.pop("casting", None)
        options.pop("order", None)
        if ufunc.signature is not None:
            inputs, options = _core_axes_last(self, inputs, options)
        if options:
            self.refuse(f"{ufunc.__name__} with {', '.join(options)}")
        outs = (None,) * ufunc.nout if out is None else tuple(out)
        if any(o is not None and not isinstance(o, Traced) for o in outs):
            self.refuse(
                f"to write to an array that was made with np.empty or np.zeros, not with like= ({ufunc.__name__})"
            )
        loop, dtypes = ufuncs.loop_of(
            ufunc, tuple(ufuncs.kind(a) for a in inputs), None if dtype is None else np.dtype(dtype)
        )
        if ufunc is np.power and dtypes[-1].kind in "iu":
            self.refuse("integers to a power, which raises for negative exponents")
        operands = [self.traced(a, d) for a, d in zip(inputs, dtypes, strict=False)]
        if ufunc.signature is None:
            made = self._elementwise(loop, operands, outs, dtypes[ufunc.nin :])
        else:
            made = [self._generalized(loop, operands, outs[0], dtypes[-1])]
        return made[0] if len(made) == 1 else tuple(made)

    def function(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A function of numpy's."""
        return functions.call(self, function, args, kwargs)

    def get(self, a: Traced, key: Any, order: str = "K") -> Any:
        """`a[key]`: a view, or where the index holds arrays of constants, a copy made of slices."""
        if self._is_basic(key):
            parts = key if isinstance(key, tuple) else (key,)
            if not any(part is Ellipsis for part in parts):
                parts = (*parts, ...)  # a view even of one entry, which numpy would read otherwise
            return Traced(self, a.storage, a.shadow[parts])
        taken, index = self._split(a, key)
        strides = None if order == "C" else tuple(a.itemsize * stride for stride in taken.strides)
        made = self._new(loops.shadow(taken.shape, a.dtype, strides))
        flat = np.reshape(made.shadow, (*index.before, index.size, *index.after), copy=False)
        for k, source in index.parts:
            to = flat[(*(slice(None),) * len(index.before), k)]
            self.assign(Traced(self, made.storage, to), self.get(a, source))
        return made

    def set(self, a: Traced, key: Any, values: Any) -> None:
        """`a[key] = values`."""
        if self._is_basic(key):
            self.assign(self.get(a, key), values)
            return
        taken, index = self._split(a, key)
        given = self.reshape(self.broadcast(values, taken.shape), (*index.before, index.size, *index.after), "C", None)
        for k, source in index.parts:
            to = self.get(a, source)
            of = k if to.shape[len(index.before)] > 1 else slice(k.stop - 1, k.stop)  # the last one stays
            self.assign(to, given[(*(slice(None),) * len(index.before), of)])

    def assign(self, a: Traced, values: Any) -> None:
        """`a[...] = values`."""
        number = type(values) in {bool, int, float} and a.dtype.kind == "f"
        given = self.traced(values, a.dtype if number else None)
        if not isinstance(values, Traced) and given.dtype != a.dtype:
            given = self.constant(np.asarray(values).astype(a.dtype))
        while given.ndim > a.ndim and given.shape[0] == 1:
            given = given[0]
        to, source = a.view, given.view
        if to.same(source):
            return
        if to.overlaps(source):
            given = self.copied(given, given.dtype, "C")
        self._copy(given, a)

    def alike(self, a: Traced, dtype: np.dtype[Any], order: str) -> Traced:
        """An array of the shape of `a`, with its axes in memory as in `a` unless the order is "C" or "F"."""
        if order == "F":
            return self._new(loops.shadow(a.shape[::-1], dtype).T)
        return self._new(loops.shadow(a.shape, dtype) if order == "C" else loops.like([a.shadow], a.shape, dtype))

    def copied(self, a: Traced, dtype: np.dtype[Any] | None, order: str) -> Traced:
        """`a` in memory of its own."""
        made = self.alike(a, a.dtype if dtype is None else dtype, order)
        self._copy(a, made)
        return made

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Traced:
        """`np.broadcast_to(a, shape)`."""
        a = self.traced(a)
        return Traced(self, a.storage, np.broadcast_to(a.shadow, shape))

    def reshape(self, a: Traced, shape: Any, order: Any, copy: bool | None) -> Traced:  # noqa: FBT001
        """`a.reshape(shape)`, a view where numpy makes one."""
        if order == "F":
            reverse = shape[::-1] if isinstance(shape, (tuple, list)) else shape
            made = self.reshape(a.T, reverse, "C", copy)
            return Traced(self, made.storage, made.shadow.T)
        if order != "C":
            self.refuse(f"an array reshaped in order {order}")
        try:
            return Traced(self, a.storage, np.reshape(a.shadow, shape, copy=False))
        except ValueError:
            if copy is False:
                raise
        made = self.copied(a, a.dtype, "C")
        return Traced(self, made.storage, made.shadow.reshape(shape, copy=False))

    def select(self, where: Any, one: Any, other: Any) -> Traced:
        """`np.where(where, one, other)`."""
        dtype = np.result_type(*(a.dtype if isinstance(a, Traced) else a for a in (one, other)))
        operands = [self.traced(where, np.dtype(bool)), self.traced(one, dtype), self.traced(other, dtype)]
        loop = Loop(f"select{dtype.itemsize}")
        return self._elementwise(loop, operands, (None,), (dtype,), by_numpy=ufuncs.select)[0]

    def power(self, a: Traced, exponent: Any) -> Any:
        """`a ** exponent`, with numpy's own shortcuts for a few exponents."""
        if type(exponent) in {int, float} and exponent in _SPECIAL_POWERS and a.dtype.kind == "f":
            return _SPECIAL_POWERS[exponent](a)
        return np.power(a, exponent)

    def refuse(self, what: str) -> NoReturn:
        """Raises `NotRecordable` that names the layer, loss or penalty which asks, and where."""
        frame = sys._getframe(1)  # noqa: SLF001  (the caller's names are what the message is about)
        raise NotRecordable(*asker(_outward(frame)), what)

    # Instructions.

    def write(self, instruction: Instruction) -> None:
        """Appends an instruction."""
        if len(instruction.operands) > MOST_OPERANDS or len(instruction.core) > MOST_CORE:
            self.refuse(f"{instruction.name} with so many operands or core dimensions")
        for view in instruction.outputs:
            if view.storage.kind in {"input", "constant"}:
                self.refuse("to change an array that it was given to read")
        if all(instruction.shape) and all(all(view.shape) for view in instruction.outputs):
            self.instructions.append(instruction)
        if len(self.instructions) > self.most:
            self.refuse(f"more than {self.most} instructions")

    def _given(self, kind: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Traced:
        shadow = loops.shadow(shape, dtype)
        storage = Storage(kind, shadow.nbytes, len(self.arrays))
        self.arrays.append(storage)
        return Traced(self, storage, shadow)

    def _new(self, shadow: AnyArray) -> Traced:
        return Traced(self, Storage("scratch", max(shadow.nbytes, 1)), shadow)

    def _is_basic(self, key: Any) -> bool:
        """Whether an index gives a view. Refuses one that is neither basic nor made of constant arrays."""
        basic = True
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, Traced):
                self.refuse("an index that depends on values; select with np.where")
            if isinstance(part, (list, np.ndarray)):
                basic = False
            elif isinstance(part, bool) or not (
                part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))
            ):
                self.refuse(f"an index of {type(part).__name__}")
        return basic

    def _split(self, a: Traced, key: Any) -> tuple[AnyArray, indices.Split]:
        found = indices.split(key, a.shadow)
        if found is None:
            self.refuse("an index with arrays that is not made of a few slices")
        return found

    def _copy(self, source: Traced, to: Traced) -> None:
        if source.shape != to.shape:
            source = Traced(self, source.storage, np.broadcast_to(source.shadow, to.shape, subok=False))
        same = source.dtype == to.dtype
        if not same and f"cast_{source.dtype.char}{to.dtype.char}" not in ufuncs.CASTS:
            self.refuse(f"{to.dtype} made from {source.dtype}")
        name = f"copy{to.itemsize}" if same else f"cast_{source.dtype.char}{to.dtype.char}"
        self.write(ufuncs.elementwise(Loop(name), (source.view, to.view), 1, to.shape, ufuncs.copyto))

    def _elementwise(
        self,
        loop: Loop,
        operands: Sequence[Traced],
        outs: Sequence[Traced | None],
        dtypes: Sequence[np.dtype[Any]],
        by_numpy: Any = None,
    ) -> list[Traced]:
        shadows = [a.shadow for a in operands]
        shape = loops.broadcast(*(a.shape for a in shadows), *(o.shape for o in outs if o is not None))
        results = []
        for o, dtype in zip(outs, dtypes, strict=True):
            fits = o is not None and o.dtype == dtype and o.shape == shape
            if fits and not any(o.view.overlaps(a.view) and not o.view.same(a.view) for a in operands):  # type: ignore[union-attr]
                results.append(o)
            else:
                results.append(self._new(loops.like(shadows, shape, dtype)))
        views = (*(a.view for a in operands), *(r.view for r in results))  # type: ignore[union-attr]
        self.write(ufuncs.elementwise(loop, views, len(operands), shape, by_numpy or ufuncs.called(loop.ufunc)))
        for o, result in zip(outs, results, strict=True):
            if o is not None and o is not result:
                self.assign(o, result)
        return [r if o is None else o for o, r in zip(outs, results, strict=True)]  # type: ignore[misc]

    def _generalized(self, loop: Loop, operands: Sequence[Traced], out: Traced | None, dtype: np.dtype[Any]) -> Traced:
        ufunc = loop.ufunc
        assert ufunc is not None  # noqa: S101  (generalized loops are ufuncs')
        core = ufuncs.core_of(ufunc)
        dropped = []
        shadows = [a.shadow for a in operands]
        for k, names in enumerate(core[:-1]):  # matmul's "n?" and "m?": an axis that a vector lacks
            if shadows[k].ndim < len(names):
                if ufunc is not np.matmul:
                    self.refuse(f"{ufunc.__name__} of an array with {shadows[k].ndim} axes")
                axis = 0 if k == 0 else 1
                shadows[k] = np.expand_dims(shadows[k], axis)
                dropped.append(names[axis])
        sizes: dict[str, int] = {}
        for a, names in zip(shadows, core, strict=False):
            for name, n in zip(names, a.shape[a.ndim - len(names) :], strict=True):
                if sizes.setdefault(name, n) != n:
                    raise ValueError(f"{ufunc.__name__}: core dimension {name} has sizes {sizes[name]} and {n}")
        lead = loops.broadcast(*(a.shape[: a.ndim - len(names)] for a, names in zip(shadows, core, strict=False)))
        result_shape = lead + tuple(sizes[name] for name in core[-1] if name not in dropped)
        fits = out is not None and out.dtype == dtype and out.shape == result_shape
        if fits and not any(out.view.overlaps(a.view) for a in operands):  # type: ignore[union-attr]
            result = out
        else:
            result = self.empty(result_shape, dtype)
        assert result is not None  # noqa: S101  (it was made above where it was not given)
        target = result.shadow
        for name in dropped:
            target = np.expand_dims(target, target.ndim if name == core[1][1] else len(lead))
        self.write(
            ufuncs.matrices(loop, [*operands, result], [*shadows, target], core, sizes, lead, ufuncs.called(ufunc))
        )
        if out is not None and result is not out:
            self.assign(out, result)
        return result if out is None else out

    def _reduce(  # noqa: PLR0913, PLR0917  (numpy's arguments)
        self,
        ufunc: np.ufunc,
        a: Any,
        out: Traced | None,
        axis: Any = 0,
        dtype: Any = None,
        keepdims: bool = False,  # noqa: FBT001, FBT002
        initial: Any = _NOT_GIVEN,
        **options: Any,
    ) -> Traced:
        if options:
            self.refuse(f"{ufunc.__name__}.reduce with {', '.join(options)}")
        a = self.traced(a)
        axes = tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(np.lib.array_utils.normalize_axis_index(k, a.ndim) for k in axes)
        if dtype is None:
            small = ufunc in {np.add, np.multiply} and a.dtype.kind == "b"
            dtype = np.dtype(int) if small else a.dtype
        loop, dtypes = ufuncs.loop_of(ufunc, (np.dtype(dtype),) * 2, None)
        a = self.traced(a, dtypes[0])
        if any(stride < 0 for stride in a.strides):  # numpy's iterator would go backwards, its reductions do not
            a = self.copied(a, a.dtype, "K")
        kept = tuple(n for k, n in enumerate(a.shape) if k not in axes)
        fits = out is not None and out.dtype == dtypes[-1] and not out.view.overlaps(a.view)
        if fits and out is not None and out.shape == kept:
            result = out
        else:
            result = self._new(_reduced_shadow(a.shadow, axes, kept, dtypes[-1]))
        first = ufunc.identity if initial is _NOT_GIVEN else initial
        start = self._start(ufunc, a, axes, first, result.dtype)
        if a.size:
            self.write(ufuncs.reduction(loop, start, a, result, axes, first))
        elif start is not None:
            self.assign(result, start)
        if out is not None and result is not out:
            self.assign(out, result.reshape(out.shape))
            return out
        if keepdims:
            shape = tuple(1 if k in axes else n for k, n in enumerate(a.shape))
            return self.reshape(result, shape, "C", None)
        return result

    def _start(
        self, ufunc: np.ufunc, a: Traced, axes: tuple[int, ...], first: Any, dtype: np.dtype[Any]
    ) -> Traced | None:
        """The number that a reduction starts with, or none if it starts with the first entries."""
        if isinstance(first, Traced):
            self.refuse(f"{ufunc.__name__}.reduce with an initial= that depends on values")
        if first is not None:
            return self.constant(np.asarray(first).astype(dtype))
        if not all(a.shape[k] for k in axes):
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        return None

    def _accumulate(self, ufunc: np.ufunc, a: Any, out: Traced | None, axis: int = 0, dtype: Any = None) -> Traced:
        """`ufunc.accumulate(a, axis)`, entry after entry."""
        a = self.traced(a)
        if dtype is None and ufunc in {np.add, np.multiply} and a.dtype.kind == "b":
            dtype = int
        a = self.traced(a, None if dtype is None else np.dtype(dtype))
        result = self._new(loops.like([a.shadow], a.shape, a.dtype))
        entries, results = np.moveaxis(a, axis, 0), np.moveaxis(result, axis, 0)  # type: ignore[type-var]  # duck arrays
        self.assign(results[:1], entries[:1])
        for k in range(1, len(entries)):
            ufunc(results[k - 1], entries[k], out=results[k])
        if out is None:
            return result
        self.assign(out, result)
        return out


def asker(frames: Iterable[FrameType]) -> tuple[str, str]:
    """The layer, loss or penalty whose method runs in one of these frames, the innermost first, and that method's name.

    Where there is none, the operator; ("", "") where there is none either.
    """
    operator = ("", "")
    for frame in frames:
        owner = frame.f_locals.get("self")
        if isinstance(owner, (Layer, Loss, Penalty)):
            return owner.name, frame.f_code.co_name
        if isinstance(owner, Operator) and not operator[0]:
            operator = (type(owner).__name__, frame.f_code.co_name)
    return operator


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _reduced_shadow(a: AnyArray, axes: tuple[int, ...], kept: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """What numpy would make for the result of a reduction, of shape `kept`."""
    if not all(a.shape[k] for k in axes):
        return loops.shadow(kept, dtype)
    first = a[(*(0 if k in axes else slice(None) for k in range(a.ndim)), ...)]
    return loops.like([first], kept, dtype)


def _core_axes_last(
    recorder: Recorder, inputs: Sequence[Any], options: dict[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The inputs with the axis of `axis=` as their last."""
    options = dict(options)
    axis = options.pop("axis", None)
    if axis is None or axis == -1:
        return inputs, options
    return [np.moveaxis(recorder.traced(a), axis, -1) for a in inputs], options  # type: ignore[type-var]  # duck arrays
