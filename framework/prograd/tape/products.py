# ruff: noqa: FBT001, FBT002  (the signatures are those of numpy's functions)
"""Products that numpy computes without a ufunc of their own, as recordings write them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.tape.implementations import implements, numbers
from prograd.tape.traced import Traced

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder


@implements(np.dot)
def _dot(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b, out=out)
    if a.ndim < 3 and b.ndim < 3:
        return np.matmul(a, b, out=out)
    return _inner_products(a, b if b.ndim == 1 else np.moveaxis(b, -2, -1), out)


@implements(np.inner)
def _inner(recorder: Recorder, a: Any, b: Any) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if not a.ndim or not b.ndim:
        return np.multiply(a, b)
    return np.matmul(a, b.T) if a.ndim < 3 and b.ndim < 3 else _inner_products(a, b, None)


def _inner_products(a: Any, b: Any, out: Any) -> Any:
    """Of each last axis of `a` with each of `b`. For more than two axes, numpy calls no product of matrices here."""
    return np.vecdot(a[..., *(None,) * (b.ndim - 1), :], b, out=out)


@implements(np.vdot)
def _vdot(recorder: Recorder, a: Any, b: Any) -> Any:
    return np.matmul(recorder.traced(a).ravel(), recorder.traced(b).ravel())


@implements(np.tensordot)
def _tensordot(recorder: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = recorder.traced(a), recorder.traced(b)
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    ours, theirs = ([int(k) % c.ndim for k in numbers(of)] for c, of in zip((a, b), axes, strict=True))
    our_rest, their_rest = ([k for k in range(c.ndim) if k not in of] for c, of in ((a, ours), (b, theirs)))
    inner = math.prod(a.shape[k] for k in ours)
    left = a.transpose(our_rest + ours).reshape(math.prod(a.shape[k] for k in our_rest), inner)
    right = b.transpose(theirs + their_rest).reshape(inner, math.prod(b.shape[k] for k in their_rest))
    return np.matmul(left, right).reshape([a.shape[k] for k in our_rest] + [b.shape[k] for k in their_rest])


@implements(np.linalg.norm)
def _norm(recorder: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    if axis is None and (ord is None or (ord == 2 and x.ndim == 1) or (ord == "fro" and x.ndim == 2)):
        flat = _in_memory_order(x)
        norm = np.sqrt(flat @ flat)
        return norm.reshape((1,) * x.ndim) if keepdims else norm
    one = axis is not None and len(numbers(axis)) == 1
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


@implements(np.outer)
def _outer(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(recorder.traced(a).ravel()[:, None], recorder.traced(b).ravel()[None, :], out=out)


@implements(np.einsum)
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
