"""Instructions for a sparse matrix whose entries and indices are constants: its product with rows, and its own rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import scipy.sparse

from prograd.operators.sparse import rows_into, rows_times
from prograd.tape.instructions import Instruction, Loop
from prograd.tape.traced import Traced

if TYPE_CHECKING:
    from prograd.tape.recorder import Recorder


def times(recorder: Recorder, v: Any, matrix: scipy.sparse.csr_array) -> Any:
    """Records `rows_times(v, matrix)`."""
    lead, (m, n) = v.shape[:-1], matrix.shape
    indices, indptr = _indices(recorder, matrix)
    data = recorder.traced(matrix.data)
    if data.dtype != v.dtype:
        double = max(data.dtype, v.dtype)
        data, v = recorder.traced(data, double), recorder.traced(v, double)
    v = recorder.reshape(v, (math.prod(lead), n), "C", None)
    if v.strides[-1] != v.itemsize:
        v = recorder.copied(v, v.dtype, "C")
    out = recorder.empty((len(v), m), v.dtype)

    def by_numpy(*operands: Any) -> None:
        operands[-1][...] = rows_times(operands[-2], matrix)

    recorder.write(
        Instruction(
            Loop(f"sparse_{v.dtype.char}{indices.dtype.char}"),
            tuple(a.view for a in (data, indices, indptr, v, out)),
            4,
            (len(v),),
            ((0,), (0,), (0,), v.strides[:1], out.strides[:1]),
            by_numpy,
            (m,),
            rows=True,
            multiply_adds=matrix.nnz * len(v),
            name="sparse",
        )
    )
    return recorder.reshape(out, (*lead, m), "C", None)


def into(recorder: Recorder, out: Any, matrix: scipy.sparse.csr_array, start: int) -> None:
    """Records `rows_into(out, matrix, start)`."""
    indices, indptr = _indices(recorder, matrix)
    data = recorder.traced(matrix.data)
    made = out if out.dtype == data.dtype else recorder.empty((len(out), 1, out.shape[-1]), data.dtype)
    indptr = indptr[start : start + len(out) + 1]

    def by_numpy(*operands: Any) -> None:
        rows_into(operands[-1], matrix, start)

    recorder.write(
        Instruction(
            Loop(f"sparse_rows_{data.dtype.char}{indices.dtype.char}"),
            tuple(a.view for a in (data, indices, indptr, made)),
            3,
            made.shape[:2],
            ((0, 0), (0, 0), (indptr.itemsize, 0), made.strides[:2]),
            by_numpy,
            made.shape[2:],
            made.strides[2:],
            rows=True,
            name="sparse_rows",
        )
    )
    if made is not out:
        recorder.assign(out, made)


def _indices(recorder: Recorder, matrix: scipy.sparse.csr_array) -> tuple[Traced, Traced]:
    return recorder.kept(matrix.indices), recorder.kept(matrix.indptr)
