"""The rates of this machine, measured once in about a second and kept in the user's cache directory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.special
from threadpoolctl import threadpool_info

from prograd import threads
from prograd.errors import OptionError
from prograd.planning import bench
from prograd.planning.bench import Alone, Clock
from prograd.planning.rates import Rates
from prograd.planning.steps import Kind
from prograd.planning.tables import Table
from prograd.tape import machine
from prograd.tape.blas import Blas
from prograd.tape.tape import ByNumpy

FILE = "PROGRAD_RATES"
BYTES = tuple(2**k for k in (14, 16, 18, 20, 22, 24, 26, 27))  # from what the first-level cache holds to what none does
KINDS = {
    "add subtract multiply divide maximum": "ccc",
    "add divide": "c0c",
    "multiply": "0cc ccc scs fff",
    "equal greater": "ccc scc",
    "absolute negative square sqrt exp expm1 log log1p tanh expit sin cos cosh": "cc",
    "isfinite": "00 cc",
    "row_sums_": "0c0",
    "column_sums_": "0cc",
    "add_ multiply_": "0cc c0c ccc",
    "rows_copy": "cc 0c",
    "copy": "00 0c cc cs sc ss cf fc ff",
    "select": "cc0c cccc",
    "matmul": "gemm gemm-t rows columns dot outer stacked-gemm stacked-rows stacked-columns stacked-naive",
    "vecdot": "",
}
"""Names of loops, and how they go through their operands; see `Kind`. Others are measured when a plan has them."""

MIXTURE = {"ccc", "0c", "0c0", "gemm"}
CALLING, ROWS, CALLED = {"divide", "maximum"}, 64, (8,)  # loops that are called for each row, and entries
INTERPRETED = 2.2  # calls of NumPy that the engine's and the layers' own Python takes as long as, with that call
DAY = 86400


def machine_rates() -> Rates:
    """The rates in the file that `PROGRAD_RATES` names, or those of this machine.

    The rates of this machine are measured once and kept in the user's cache directory. A file there that is damaged or
    of an older version is replaced. Raises `OptionError` if the file that `PROGRAD_RATES` names can't be read.
    """
    return rates_of(os.environ.get(FILE) or path_of(machine.products()))


@lru_cache(maxsize=8)
def rates_of(path: str | Path) -> Rates:
    """The rates in the file that a user gives, or in this machine's own, which is written if need be. Found once."""
    if isinstance(path, str):
        return read(Path(path))
    with contextlib.suppress(OptionError):
        return read(path)
    return measured(path)


def recalibrated() -> Rates:
    """New rates of this machine, in place of those in its file."""
    rates_of.cache_clear()
    return measured(path_of(machine.products()))


def measured(path: Path) -> Rates:
    """New rates, which are kept unless other processes disturbed the measurement."""
    rates, quiet = calibrate()
    if quiet:
        with contextlib.suppress(OSError):  # the directory is not writable: the next process measures again
            write(path, rates)
    return rates


def age(rates: Rates, now: float) -> str:
    """How old rates are, in one line."""
    days = int((now - rates.measured) / DAY)
    when = "today" if days < 1 else "yesterday" if days == 1 else f"{days} days ago"
    return f"rates measured {when}; --recalibrate measures them again"


def read(path: Path) -> Rates:
    """The rates in a file. Raises `OptionError`, which names the file."""
    try:
        return Rates.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise OptionError(f"{path}: expected a file of rates: {error.strerror}") from error
    except (ValueError, OptionError) as error:
        raise OptionError(f"{path}: {error}") from error
    except RecursionError as error:
        raise OptionError(f"{path}: expected rates, got values that are nested too deeply to be read") from error


def write(path: Path, rates: Rates) -> None:
    """Replaces the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(f"{rates}\n", "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def path_of(products: Blas) -> Path:
    """The file of this user's rates for this machine, BLAS and NumPy."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(os.path.expanduser(base or "~/.cache"))  # noqa: PTH111  (Path raises where there is no home)
    return home / "prograd" / f"rates-{_fingerprint(products)}.json"


@lru_cache(maxsize=8)
def _fingerprint(products: Blas) -> str:
    blas = [
        {key: library.get(key) for key in ("internal_api", "version", "architecture", "threading_layer")}
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
    compiled = machine.VERSION if machine.available() else 0
    own = [platform.node(), platform.machine(), os.cpu_count(), np.__version__, compiled, products]
    return hashlib.sha256(json.dumps([own, blas]).encode()).hexdigest()[:16]


def calibrate(clock: Clock = time.perf_counter) -> tuple[Rates, bool]:
    """Measures the rates of one core; the second result is whether the machine was quiet."""
    kinds = [kind for char in "df" for kind in _kinds(char)]
    small = {kind: tuple(axis[1] for axis in bench.axes_of(kind)) for kind in kinds if kind.pattern in MIXTURE}
    mixture = [bench.instruction(kind, sizes) for kind, sizes in small.items()]
    calling = [kind for kind in kinds if kind.name in CALLING]
    calls = Alone([bench.instruction(kind, CALLED, ROWS) for kind in calling])
    streams = bench.streams(BYTES)
    single: list[Callable[[], object]] = [
        bench.empty(),
        bench.handed(),
        Alone(mixture),
        ByNumpy(Alone(mixture)).run,
        calls,
    ]
    each = {kind: bench.runs(kind) for kind in kinds}
    with threads.one_blas_thread():
        found, quiet = bench.quickest([*single, *streams, *(run for runs in each.values() for run in runs)], clock)
    taken = iter(found)
    nothing, handed, mixed, by_numpy, called = (next(taken) for _ in single)
    per_byte = [next(taken) / max(size, bench.STREAMED) for _ in range(2) for size in BYTES]
    tables = {kind: bench.tabled(kind, [next(taken) for _ in runs], nothing) for kind, runs in each.items()}
    alone = sum(tables[kind].at(*sizes) for kind, sizes in small.items())
    by_itself = sum(tables[kind].at(*CALLED) for kind in calling)
    rates = Rates(
        {str(kind): table for kind, table in tables.items()},
        _beyond(per_byte[: len(BYTES)]),
        _beyond(per_byte[len(BYTES) :]),
        run=handed,
        instruction=max((mixed - nothing - alone) / len(mixture), bench.SHORTEST),
        call=((called - nothing) / ROWS - by_itself) / len(calling),
        numpy=by_numpy / len(mixture),
        off=INTERPRETED * by_numpy / len(mixture),
        measured=time.time(),
    )
    return rates, quiet


def _beyond(per_byte: list[float]) -> Table:
    """What a byte takes in addition to what it takes in the first-level cache."""
    return Table((tuple(map(float, BYTES)),), tuple(max(each - per_byte[0], 1e-15) for each in per_byte))


def _kinds(char: str) -> Iterator[Kind]:
    for names, patterns in KINDS.items():
        for name in names.split():
            for pattern in patterns.split() or [""]:
                yield _kind(name, char, pattern)


def _kind(name: str, char: str, pattern: str) -> Kind:
    if name in {"copy", "rows_copy", "select"}:
        flag = "?" if name == "select" else ""
        return Kind(f"{name}{np.dtype(char).itemsize}", None, 0, flag + char * (len(pattern) - len(flag)), pattern)
    short = "add" if name in {"row_sums_", "column_sums_"} else name.rstrip("_")
    ufunc: np.ufunc = getattr(np, short, None) or getattr(scipy.special, short)
    k, loop = next((k, of) for k, of in enumerate(ufunc.types) if of.startswith(f"{char * ufunc.nin}->"))
    return Kind(f"{name}{char}" if name.endswith("_") else name, ufunc, k, loop.replace("->", ""), pattern)
