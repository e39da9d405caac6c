"""Instructions for products with the entries of a matrix that are not zero: only a replay knows which they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.operators.nonzeros import nonzeros_into, nonzeros_times
from prograd.tape.instructions import Instruction, Loop, View

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder
    from prograd.tape.traced import Traced


def times(recorder: Recorder, z: Any, W: Any) -> Any:
    """Records `nonzeros_times(z, W)`."""
    z, W = _alike(recorder, z, W)
    out = recorder.empty((len(z), len(W)), z.dtype)
    recorder.write(of_rows(z.view, W.view, out.view))
    return out


def into(recorder: Recorder, q: Any, z: Any, out: Any) -> None:
    """Records `nonzeros_into(q, z, out)`."""
    q, z = _alike(recorder, q, z)
    made = out if out.dtype == z.dtype else recorder.empty(out.shape, z.dtype)
    recorder.write(summed(q.view, z.view, made.view))
    if made is not out:
        recorder.assign(out, made)


def of_rows(z: View, W: View, out: View) -> Instruction:
    """`out = z W^T`: a sum of columns of `W` for each row."""
    (N, t), m = z.shape, W.shape[0]

    def by_numpy(z: Any, W: Any, out: Any) -> None:
        out[...] = nonzeros_times(z, W)

    return Instruction(
        Loop(f"nonzeros_{z.dtype.char}"),
        (z, W, out),
        2,
        (N,),
        (z.strides[:1], (0,), out.strides[:1]),
        by_numpy,
        (t, m),
        (z.strides[1], *W.strides, out.strides[1]),
        rows=True,
        multiply_adds=N * t * m,
        name="nonzeros",
    )


def summed(q: View, z: View, out: View) -> Instruction:
    """`out = q^T z`: each row of `q` added to columns of the result."""
    (N, m), t = q.shape, z.shape[1]
    return Instruction(
        Loop(f"nonzeros_sum_{z.dtype.char}"),
        (q, z, out),
        2,
        (),
        ((), (), ()),
        nonzeros_into,
        (N, m, t),
        (*q.strides, *z.strides, *out.strides),
        multiply_adds=N * t * m,
        name="nonzeros_sum",
    )


def _alike(recorder: Recorder, a: Any, b: Any) -> tuple[Traced, Traced]:
    """Both in the dtype of their product."""
    a, b = recorder.traced(a), recorder.traced(b)
    dtype = np.result_type(a.dtype, b.dtype)
    return recorder.traced(a, dtype), recorder.traced(b, dtype)
