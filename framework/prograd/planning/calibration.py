"""The rates of this machine, measured in under a second and kept in a file of the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_info

from prograd import threads
from prograd.errors import OptionError
from prograd.operators import Dense, Kronecker, Sparse
from prograd.operators.multiplication import multiply
from prograd.planning.rates import Curve, Rates

FILE = "PROGRAD_RATES"
LEAST_SECONDS = 0.004  # of one measurement, of which the quickest of REPEATS counts
REPEATS = 3
DEPTHS = (4, 8, 16, 32, 64, 128, 256)
BYTES = tuple(2**k for k in (16, 18, 20, 22, 24, 26))
NUMBERS = (2**16, 2**22)  # of a Jacobian: half a MiB, which a cache holds, and 32 MiB


def machine_rates() -> Rates:
    """The rates in the file that `PROGRAD_RATES` names, or this machine's own.

    These are measured once and kept in the user's cache directory; a file there that can't be read, or that another
    machine wrote, is replaced. Raises `OptionError` where the file that `PROGRAD_RATES` names holds no rates.
    """
    return _rates(os.environ.get(FILE, ""), threads.available())


@lru_cache(maxsize=8)
def _rates(given: str, available: int) -> Rates:
    if given:
        return read(Path(given))
    path = cache_directory() / f"rates-{fingerprint(available)}.json"
    with contextlib.suppress(OptionError):
        return read(path)
    rates = calibrate()
    with contextlib.suppress(OSError):  # a home that can't be written to: measured again next time
        write(path, rates)
    return rates


def read(path: Path) -> Rates:
    """The rates in a file. Raises `OptionError` that names it."""
    try:
        return Rates.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise OptionError(f"{path}: no rates: {error.strerror}") from error
    except (ValueError, OptionError) as error:
        raise OptionError(f"{path}: {error}") from error


def write(path: Path, rates: Rates) -> None:
    """Replaces the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(json.dumps(rates.as_json(), indent=1) + "\n", "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def cache_directory() -> Path:
    """Where this user's rates are kept."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(os.path.expanduser(base or "~/.cache")) / "prograd"  # noqa: PTH111  (Path raises where there is no home)


def fingerprint(available: int) -> str:
    """What the rates are good for: this machine, BLAS, number of threads and numpy."""
    blas = [
        {key: library.get(key) for key in ("internal_api", "version", "architecture", "threading_layer")}
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
    what = [platform.node(), platform.machine(), os.cpu_count(), blas, available, np.__version__, sys.version_info[:2]]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def calibrate() -> Rates:
    """Measures one core, in about half a second."""
    with threads.one_blas_thread():
        return Rates(
            product64=_products(np.float64),
            product32=_products(np.float32),
            memory=tuple((float(size), _memory(size)) for size in BYTES),
            write=tuple((float(8 * size), _write(size)) for size in NUMBERS),
            transpose=tuple((float(16 * size), _transpose(size)) for size in NUMBERS),
            sparse=_sparse(),
            function=_function(),
            call=_call(),
            columns_call=_columns_call(),
            rule=_rule(),
            fork=_fork(),
        )


def _products(dtype: Any) -> Curve:
    """Many vectors with matrices of growing size, each rate no less than that of a smaller one."""
    points: list[tuple[float, float]] = []
    for n in DEPTHS:
        rows = 512
        v, a, out = np.ones((rows, n), dtype), np.ones((n, n), dtype), np.ones((rows, n), dtype)
        points.append((float(n), rows * n * n / _quickest(lambda v=v, a=a, out=out: np.matmul(v, a, out=out))))  # type: ignore[misc]
    return tuple(points)


def _memory(size: int) -> float:
    """A diagonal product, which makes a new array."""
    v, d = np.ones((size // 2**15, 32, 64)), np.ones((32, 64))
    return size / _quickest(lambda: v * d)


def _write(size: int) -> float:
    """The rows of a Jacobian, from outer products."""
    J, q, A = np.empty((1, size // 4096, 64, 64)), np.ones((1, 64)), Kronecker(64, np.ones((1, 64)))

    def write() -> None:
        for row in range(J.shape[1]):
            A.vjp_into(q, J[:, row].reshape(1, -1))

    return J.nbytes / _quickest(write)


def _transpose(size: int) -> float:
    """The columns of a Jacobian, in chunks that are in the cache."""
    columns, J = np.ones((256, 1, 64)), np.empty((1, 64, size // 64))

    def put() -> None:
        for start in range(0, J.shape[2], 256):
            J[:, :, start : start + 256] = columns.transpose(1, 2, 0)

    return 2 * J.nbytes / _quickest(put)


def _sparse() -> float:
    operator = Sparse(scipy.sparse.random(256, 256, 0.05, random_state=0, format="csr"))
    q = np.ones((64, 256))
    return 64 * operator.edges / _quickest(lambda: operator.vjp(q))


def _function() -> float:
    a = np.linspace(-2, 2, 4096)
    return a.size / _quickest(lambda: np.tanh(a))


def _call() -> float:
    """Of a product that takes no time: the mean of two kinds that every network has."""
    a, q, out = np.ones((4, 4)), np.ones((1, 4)), np.empty(16)

    def calls() -> None:
        Dense(a).vjp(q)
        Kronecker(4, q).vjp_sum(q, out)

    return _quickest(calls) / 2


def _columns_call() -> float:
    A, out = Kronecker(4, np.ones((1, 4))), np.empty((16, 1, 4))
    return _quickest(lambda: A.columns_into(0, 16, out))


def _rule() -> float:
    """What carrying a product out takes beside it."""
    a, b, v = Dense(np.ones((4, 4))), Dense(np.ones((4, 4))), np.ones((4, 1, 4))
    return max(1e-7, _quickest(lambda: multiply(a, b)) - _quickest(lambda: a.jvp(v)))


def _fork() -> float:
    def start() -> None:
        thread = Thread(target=int)
        thread.start()
        thread.join()

    return _quickest(start)


def _quickest(action: Callable[[], object]) -> float:
    """Seconds of a call: the best mean of several tries, since others can only make it slower."""
    action()
    inner, best = 1, math.inf
    tries = 0
    while tries < REPEATS:
        begun = time.perf_counter()
        for _ in range(inner):
            action()
        spent = time.perf_counter() - begun
        if spent < LEAST_SECONDS:
            inner = max(inner + 1, math.ceil(inner * min(10.0, 1.2 * LEAST_SECONDS / max(spent, 1e-9))))
            continue
        best, tries = min(best, spent / inner), tries + 1
    return best
