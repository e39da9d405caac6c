"""Products by another BLAS: the same numbers to rounding, the same bits for any threads and any place in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import prograd
from prograd.errors import OptionError
from prograd.tape import blas, lowering, machine
from prograd.tape.instructions import Loop
from prograd.tape.tape import Program, Tape, record

INSTALLED = any(found.name == "mkl" for found in metadata.distributions())
needs_mkl = pytest.mark.skipif(not (INSTALLED and machine.available()), reason="needs MKL and the compiled machine")

Layout = tuple[Callable[[int, int], tuple[int, int]], Callable[[Any], Any]]
LAYOUTS: dict[str, Layout] = {
    "rows": (lambda n, m: (n, m), lambda a: a),
    "columns": (lambda n, m: (m, n), lambda a: a.T),
    "parts of rows": (lambda n, m: (n, 2 * m), lambda a: a[:, : a.shape[1] // 2]),
    "parts of columns": (lambda n, m: (m, 2 * n), lambda a: a[:, : a.shape[1] // 2].T),
}
GAPS: Layout = (lambda n, m: (n, 2 * m), lambda a: a[:, ::2])
SIZES = [(1, 33, 19), (5, 7, 1), (1, 9, 1), (33, 1, 7), (7, 33, 19), (64, 32, 64), (520, 64, 64)]
EPS = {"float64": 2.0**-52, "float32": 2.0**-23}


def recorded(size: tuple[int, int, int], layouts: tuple[Layout, Layout, Layout], dtype: str) -> tuple[Tape, Any]:
    """The tape of one product of views, and the arrays for a replay; the last one is the result's."""
    n, k, m = size
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=shape(*of)).astype(dtype)
        for (shape, _), of in zip(layouts, ((n, k), (k, m), (n, m)), strict=True)
    ]

    def write(*given: Any) -> None:
        a, b, out = (view(x) for (_, view), x in zip(layouts, given, strict=True))
        out[...] = a @ b

    described = [(a.shape, a.dtype) for a in arrays]
    return record(write, described[:2], described[2:]), arrays


def loops(tape: Tape, products: Any) -> list[str]:
    """The names of the loops that a machine is told to call."""
    asked: list[str] = []

    def address(loop: Loop) -> tuple[int, int]:
        asked.append(loop.name)
        return 0, 0

    lowering.words(tape.groups, tape.offsets, address, products)
    return asked


@needs_mkl
@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_in_every_layout_are_those_of_numpy(size: tuple[int, int, int], dtype: str):
    for one in LAYOUTS.values():
        for other in LAYOUTS.values():
            for result in (LAYOUTS["rows"], LAYOUTS["columns"]):
                tape, (a, b, out) = recorded(size, (one, other, result), dtype)
                assert size[1] == 1 or f"mkl_{np.dtype(dtype).char}" in loops(tape, "mkl")
                before = out.copy()
                result[1](before)[...] = one[1](a) @ other[1](b)
                assert Program(tape, "mkl").run(a, b, out) == 0  # no floating point errors that numpy would not have
                near = 4 * size[1] * EPS[dtype]
                np.testing.assert_allclose(out, before, rtol=near, atol=near * size[1] ** 0.5)


def test_what_blas_does_not_take_is_left_to_numpy():
    rows = LAYOUTS["rows"]
    for layouts in ((GAPS, rows, rows), (rows, GAPS, rows)):
        assert "matmul" in loops(recorded((5, 6, 7), layouts, "float64")[0], "mkl")
    assert "mkl_d" in loops(recorded((5, 6, 7), (rows, rows, rows), "float64")[0], "mkl")
    assert "matmul" in loops(recorded((5, 6, 7), (rows, rows, rows), "float64")[0], "numpy")


def problem(width: int, batch: int, dtype: str) -> tuple[prograd.Objective, Any]:
    net = prograd.Network([prograd.layer("affine", width=width), prograd.layer("tanh")] * 3, width)
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(batch, width)).astype(dtype) for _ in range(2))
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(0).astype(dtype)


@needs_mkl
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("width", "batch"), [(16, 1), (33, 7), (64, 700), (256, 64)])
def test_gradients_have_the_same_bits_for_any_threads_and_any_place_in_memory(width: int, batch: int, dtype: str):
    f, w = problem(width, batch, dtype)
    expected = f.gradient(w)
    with blas.using("mkl"), machine.using("c"):
        for _ in range(3):
            first = f.gradient(w)
        for threads in (1, 2, 3):
            for shift in range(4):
                moved = np.empty(w.size + 16, dtype)[shift : shift + w.size]
                moved[...] = w
                with threadpool_limits(threads):
                    assert f.gradient(moved).tobytes() == first.tobytes()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(first, expected, rtol=0, atol=256 * EPS[dtype] * scale)


@needs_mkl
def test_every_blas_has_tapes_of_its_own():
    f, w = problem(33, 7, "float64")
    with machine.using("c"):
        results = {}
        for name in (*blas.BLAS, *blas.BLAS):
            with blas.using(name):
                results.setdefault(name, []).extend(f.gradient(w).tobytes() for _ in range(4))
    assert len(set(results["numpy"])) == 1  # no product of this size is cut
    # MKL's differ from the interpreted first two.
    assert len(set(results["mkl"][2:])) == 1
    assert results["mkl"][-1] != results["numpy"][-1]


@needs_mkl
def test_titles_name_mkl_where_it_is_used():
    net = prograd.Network([prograd.layer("affine", width=2)], 3)
    with blas.using("mkl"), machine.using("c"):
        plan = prograd.plan(net, rates=None)
        assert plan.title.endswith("replayed in C with MKL")
        assert plan.as_json()["products"] == "mkl"
    with blas.using("mkl"), machine.using("numpy"):
        assert machine.products() == "numpy"


def test_an_unknown_blas_is_refused():
    with pytest.raises(OptionError, match=r"^blas: expected one of numpy, mkl, got 'MKL'$"), blas.using("MKL"):
        pass


def child(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "2", **env}
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120, check=False
    )


GRADIENT = """
import numpy as np, prograd
net = prograd.Network.from_config([{"name": "affine", "width": 3}], 3)
f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((2, 3)), np.ones((2, 3)))
for _ in range(4):
    f.gradient(net.init(0))
"""
WITHOUT = """
import sys
from importlib import metadata
def files(name):
    raise metadata.PackageNotFoundError(name)
metadata.files, sys.prefix = files, "/nowhere"
"""
USED = """
import numpy as np
from prograd.tape import blas
from prograd_experiments.peers.engines.mkl import by_mkl
by_mkl(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2)))()
library = blas.mkl_library()
assert library.MKL_Get_Max_Threads() == 2
"""
KEPT = """
from prograd.tape import machine
assert machine.products() == "mkl" and library.MKL_Get_Max_Threads() == 2
"""


@pytest.mark.starts_processes
def test_a_missing_library_and_a_wrong_name_say_what_to_do():
    missing = child(WITHOUT + GRADIENT, PROGRAD_BLAS="mkl")
    assert "OptionError: PROGRAD_BLAS: expected MKL's library mkl_rt, got none; pip install" in missing.stderr
    wrong = child(GRADIENT, PROGRAD_BLAS="openblas")
    assert "OptionError: PROGRAD_BLAS: expected one of numpy, mkl, got 'openblas'" in wrong.stderr


@needs_mkl
@pytest.mark.starts_processes
def test_an_mkl_that_others_use_keeps_its_threads_and_needs_its_setting_from_the_start():
    told = {"PROGRAD_BLAS": "mkl", "MKL_NUM_THREADS": "2", "MKL_DYNAMIC": "FALSE"}
    fine = child(USED + GRADIENT + KEPT, **told, MKL_CBWR="AUTO")
    assert fine.returncode == 0, fine.stderr
    late = child(USED + GRADIENT, **told)
    assert "start with MKL_CBWR=AUTO" in late.stderr
