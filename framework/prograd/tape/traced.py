# ruff: noqa: FBT001, FBT002, N815, PLE0304, PLE0305  (numpy's signatures and names; what refuses returns nothing)
"""The array that records: it has a shape and a dtype, and whatever is done with it goes onto a tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from prograd.arrays import RecordingArray
from prograd.tape.instructions import AnyArray, Storage, View
from prograd.tape.loops import ADDRESS

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder


class Traced(np.lib.mixins.NDArrayOperatorsMixin, RecordingArray):
    """An array in a recording: it holds no numbers, and refuses what would need them."""

    __slots__ = ("_held", "_view", "recorder", "shadow", "storage")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # as arrays

    def __init__(self, recorder: Recorder, storage: Storage, shadow: AnyArray) -> None:
        self.recorder, self.storage, self.shadow = recorder, storage, shadow
        self._view: View | None = None
        self._held = recorder.hold(storage)

    # What numpy asks of a duck array.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self.recorder.ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recorder.function(function, args, kwargs)

    # What is known without numbers.

    shape = property(lambda self: self.shadow.shape)
    ndim = property(lambda self: self.shadow.ndim)
    size = property(lambda self: self.shadow.size)
    dtype = property(lambda self: self.shadow.dtype)
    itemsize = property(lambda self: self.shadow.itemsize)
    nbytes = property(lambda self: self.shadow.nbytes)
    strides = property(lambda self: self.shadow.strides)
    flags = property(lambda self: self.shadow.flags)

    @property
    def view(self) -> View:
        """Where it is in its storage."""
        if self._view is None:
            shadow = self.shadow
            offset = shadow.__array_interface__["data"][0] - ADDRESS
            self._view = View(self.storage, offset, shadow.shape, shadow.strides, shadow.dtype)
        return self._view

    def __len__(self) -> int:
        return len(self.shadow)

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} in a recording>"

    # Views.

    T = property(lambda self: self._as(self.shadow.T))
    mT = property(lambda self: self._as(self.shadow.mT))
    real = property(lambda self: self)

    def swapaxes(self, one: int, other: int) -> Self:
        return self._as(self.shadow.swapaxes(one, other))

    def transpose(self, *axes: Any) -> Self:
        return self._as(self.shadow.transpose(*axes))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return self._as(self.shadow.diagonal(offset, axis1, axis2))

    def squeeze(self, axis: Any = None) -> Self:
        return self._as(self.shadow.squeeze(axis))

    def __getitem__(self, key: Any) -> Any:
        return self.recorder.get(self, key)

    def __setitem__(self, key: Any, values: Any) -> None:
        self.recorder.set(self, key, values)

    # What may be a view or a copy.

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        return self.recorder.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy)

    def ravel(self, order: str = "C") -> Any:
        return self.recorder.reshape(self, -1, order, None)

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
        return self.recorder.function(np.take, (self, indices, axis, out, mode), {})

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        return np.repeat(self, repeats, axis)

    def flatten(self, order: str = "C") -> Any:
        return self.copy(order).ravel(order)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        dtype = np.dtype(dtype)
        if not copy and dtype == self.dtype:
            return self
        return self.recorder.copied(self, dtype, order)

    def copy(self, order: str = "C") -> Any:
        return self.recorder.copied(self, self.dtype, order)

    # Arithmetic that arrays have as methods.

    def dot(self, other: Any, out: Any = None) -> Any:
        return np.dot(self, other, out=out)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.add.reduce(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **rest)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.multiply.reduce(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims, **rest)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.maximum.reduce(self, axis=axis, out=out, keepdims=keepdims, **rest)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.minimum.reduce(self, axis=axis, out=out, keepdims=keepdims, **rest)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        total = self.sum(axis, dtype, out, keepdims, **rest)
        return np.true_divide(total, self.size // max(total.size, 1), out=out, casting="unsafe")

    def var(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, **rest: Any
    ) -> Any:
        if dtype is None and self.dtype.kind in "bl":
            dtype = np.dtype(float)
        deviation = np.subtract(self, self.mean(axis, dtype, keepdims=True, **rest))
        total = np.square(deviation).sum(axis, dtype, out, keepdims)
        count = max(self.size // max(total.size, 1) - ddof, 0)
        return np.true_divide(total, count, out=out, casting="unsafe")

    def std(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, **rest: Any
    ) -> Any:
        return np.sqrt(self.var(axis, dtype, out, ddof, keepdims, **rest), out=out)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.logical_and.reduce(self, axis=axis, out=out, keepdims=keepdims, **rest)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False, **rest: Any) -> Any:
        return np.logical_or.reduce(self, axis=axis, out=out, keepdims=keepdims, **rest)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
        return self.diagonal(offset, axis1, axis2).sum(-1, dtype, out)

    def cumsum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return np.cumsum(self, axis, dtype, out)

    def cumprod(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return np.cumprod(self, axis, dtype, out)

    def clip(self, *bounds: Any, **options: Any) -> Any:
        return np.clip(self, *bounds, **options)

    def conj(self) -> Any:
        return np.conjugate(self)

    conjugate = conj

    def fill(self, value: Any) -> None:
        self[...] = value

    def __pow__(self, exponent: Any) -> Any:
        return self.recorder.power(self, exponent)

    def __ipow__(self, exponent: Any) -> Any:
        self[...] = self.recorder.power(self, exponent)
        return self

    # What would need the numbers.

    def _refuse(self, what: str) -> NoReturn:
        self.recorder.refuse(what)

    def __array__(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse(
            "an array of numbers (np.asarray and the like, or a write to an array that was made without like=)"
        )

    def __bool__(self) -> NoReturn:
        self._refuse("whether it is true (if, and, or, not)")

    def __float__(self) -> NoReturn:
        self._refuse("a number (float)")

    def __int__(self) -> NoReturn:
        self._refuse("a number (int)")

    def __index__(self) -> NoReturn:
        self._refuse("an index")

    def __complex__(self) -> NoReturn:
        self._refuse("a number (complex)")

    def __iter__(self) -> Any:
        if not self.ndim:
            self._refuse("its entries (iteration)")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: object) -> bool:
        self._refuse("whether it holds a value (in)")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        self._refuse(f"numpy's .{name}")

    def __getstate__(self) -> object:
        self._refuse("to be pickled")

    def _as(self, shadow: AnyArray) -> Self:
        return type(self)(self.recorder, self.storage, shadow)
