"""The rates of this machine, measured in less than a second and kept in the user's cache directory."""

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
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_info

from prograd import checks, threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import OptionError
from prograd.layer import Layer, Parameters
from prograd.linearization import Linearization
from prograd.modes import MODES
from prograd.modes.structure import Structure
from prograd.network import NO_COLUMNS, Network
from prograd.operators import Dense, Kronecker, Operator, Sparse, multiply
from prograd.planning.rates import Curve, Rates
from prograd.tape import machine
from prograd.tape.blas import Blas
from prograd.tape.replay import signature
from prograd.tape.tape import Program, record

FILE = "PROGRAD_RATES"
SAMPLE_SECONDS = 0.002
ROUNDS = 4  # of which the fastest counts; every rate is measured in each, since a machine's speed changes by the second
DEPTHS = (4, 8, 16, 32, 64, 128, 256, 512)
BYTES = tuple(2**k for k in (16, 18, 20, 22, 25))
NUMBERS = (2**16, 2**22)  # of a Jacobian: half a MiB, which a cache holds, and 32 MiB
DOUBLE = np.dtype(float)
ROWS = 512  # of the vectors in a product
LAYERS = 8
SHORTEST = 1e-7  # seconds: less is the clock's grain

Action: TypeAlias = Callable[[], object]


def machine_rates() -> Rates:
    """The rates in the file that `PROGRAD_RATES` names, or those of this machine.

    The rates of this machine are measured once and kept in the user's cache directory. An unreadable file there is
    replaced. Raises `OptionError` if the file that `PROGRAD_RATES` names can't be read.
    """
    return rates_of(os.environ.get(FILE, ""), threads.available(), machine.products())


@lru_cache(maxsize=8)
def rates_of(given: str, available: int, products: Blas) -> Rates:
    """The rates in the file `given`, or those of the machine for `available` threads and a BLAS. Found once."""
    if given:
        return read(Path(given))
    path = cache_directory() / f"rates-{fingerprint(available, products)}.json"
    with contextlib.suppress(OptionError):
        return read(path)
    rates = calibrate()
    with contextlib.suppress(OSError):  # the directory is not writable: the next process measures again
        write(path, rates)
    return rates


def read(path: Path) -> Rates:
    """The rates in a file. Raises `OptionError`, which names the file."""
    try:
        return Rates.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise OptionError(f"{path}: expected a file of rates: {error.strerror}") from error
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
    """The directory of this user's rates."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(os.path.expanduser(base or "~/.cache")) / "prograd"  # noqa: PTH111  (Path raises where there is no home)


def fingerprint(available: int, products: Blas) -> str:
    """Identifies what the rates depend on: this machine, BLAS, number of threads, numpy, and whether tapes run in C."""
    blas = [
        {key: library.get(key) for key in ("internal_api", "version", "architecture", "threading_layer")}
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
    where = [platform.node(), platform.machine(), os.cpu_count()]
    python = [np.__version__, sys.version_info[:2], machine.available()]
    what = [*where, blas, products, available, *python]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def calibrate() -> Rates:
    """Measures the rates of one core in less than a second."""
    with threads.one_blas_thread():
        works = _works()
        found = dict(zip(works, _quickest([work.action for work in works.values()]), strict=True))
    rate = {name: work.amount / found[name] for name, work in works.items()}

    def curve(name: str, sizes: Sequence[int], factor: int = 1) -> Curve:
        return tuple((float(size * factor), rate[f"{name} {size}"]) for size in sizes)

    return Rates(
        product64=curve("float64", DEPTHS),
        product32=curve("float32", DEPTHS),
        memory=curve("memory", BYTES),
        write=curve("write", NUMBERS, 8),
        transpose=curve("transpose", NUMBERS, 16),
        replayed_write=curve("replayed write", NUMBERS, 8),
        replayed_transpose=curve("replayed transpose", NUMBERS, 16),
        sparse=rate["sparse"],
        function=rate["function"],
        call=found["call"] / 2,
        columns_call=found["columns"],
        rule=max(found["multiply"] - found["push"], SHORTEST),
        layer=found["layers"] / LAYERS,
        merge=1 / rate["merges"],
    )


class _Work(NamedTuple):
    """A call to time, and the amount of its work if a rate is wanted."""

    action: Action
    amount: float = 1.0


def _works() -> dict[str, _Work]:
    works = {f"{dtype} {n}": _product(n, dtype) for dtype in ("float64", "float32") for n in DEPTHS}
    works |= {f"memory {size}": _memory(size) for size in BYTES}
    works |= {f"write {size}": _write(size) for size in NUMBERS}
    works |= {f"transpose {size}": _transpose(size) for size in NUMBERS}
    works |= {f"replayed write {size}": _write(size, replayed=True) for size in NUMBERS}
    works |= {f"replayed transpose {size}": _transpose(size, replayed=True) for size in NUMBERS}
    return works | {
        "sparse": _sparse(),
        "function": _function(),
        "call": _call(),
        "columns": _columns(),
        "multiply": _Work(partial(multiply, Dense(np.ones((4, 4))), Dense(np.ones((4, 4))))),
        "push": _Work(partial(Dense(np.ones((4, 4))).jvp, np.ones((4, 1, 4)))),
        "layers": _layers(),
        "merges": _merges(),
    }


def _product(n: int, dtype: str) -> _Work:
    """Products of many vectors with a matrix, by the BLAS that replays use."""
    v, a, out = np.ones((ROWS, n), dtype), np.ones((n, n), dtype), np.ones((ROWS, n), dtype)
    product: Action = partial(np.matmul, v, a, out=out)
    if machine.products() == "mkl":
        tape = record(_matmul, signature([v, a]), signature([out]))
        product = partial(Program(tape, "mkl").run, v, a, out)
    return _Work(product, ROWS * n * n)


def _matmul(v: Array, a: Array, out: Array) -> None:
    np.matmul(v, a, out=out)


def _memory(size: int) -> _Work:
    """A diagonal product, which makes a new array."""
    v, d = np.ones((size // 2**15, 32, 64)), np.ones((32, 64))
    return _Work(partial(np.multiply, v, d), size)


def _write(size: int, *, replayed: bool = False) -> _Work:
    """The rows of a Jacobian, from outer products."""
    q, z, J = np.ones((size // 4096, 1, 64)), np.ones((1, 64)), machine.empty((size // 4096, 1, 4096), DOUBLE)

    def rows(q: Array, z: Array, J: Array) -> None:
        Kronecker(64, z).vjp_into(q, J)

    def row_by_row(q: Array, z: Array, J: Array) -> None:
        for k in range(len(J)):
            rows(q[k], z, J[k])

    return _Work(_replay(rows, (q, z), J) if replayed else partial(row_by_row, q, z, J), J.nbytes)


def _transpose(size: int, *, replayed: bool = False) -> _Work:
    """The columns of a Jacobian, in chunks that fit into the cache."""
    columns, J = np.ones((256, 1, 64)), machine.empty((1, 64, size // 64), DOUBLE)

    def put(columns: Array, J: Array) -> None:
        for start in range(0, J.shape[2], 256):
            J[:, :, start : start + 256] = columns.transpose(1, 2, 0)

    return _Work(_replay(put, (columns,), J) if replayed else partial(put, columns, J), 2 * J.nbytes)


def _replay(function: Callable[..., None], inputs: Sequence[Array], out: Array) -> Action:
    """A replay of `function(*inputs, out)`, where the compiled machine is there; otherwise the function itself."""
    if not machine.available():
        return partial(function, *inputs, out)
    return partial(Program(record(function, signature(inputs), signature((out,)))).run, *inputs, out)


def _sparse() -> _Work:
    operator = Sparse(scipy.sparse.random(256, 256, 0.05, random_state=0, format="csr"))
    return _Work(partial(operator.vjp, np.ones((64, 256))), 64 * operator.edges)


def _function() -> _Work:
    a = np.linspace(-2, 2, 4096)
    return _Work(partial(np.tanh, a), a.size)


def _call() -> _Work:
    """Products too small to take time, of two kinds that occur in every network."""
    a, q, out = np.ones((4, 4)), np.ones((1, 4)), np.empty(16)

    def calls() -> None:
        Dense(a).vjp(q)
        Kronecker(4, q).vjp_sum(q, out)

    return _Work(calls)


def _columns() -> _Work:
    A, out = Kronecker(4, np.ones((1, 4))), np.empty((16, 1, 4))
    return _Work(partial(A.columns_into, 0, 16, out))


class _Linear(Layer):
    """`g(W; z) = W z`."""

    def __init__(self, width: int) -> None:
        self.width = width

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self.width, {"W": (self.width, n_in)}

    def g(self, w: Parameters, z: Array) -> Array:
        return z @ w["W"].T

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        return {"W": Kronecker(len(w["W"]), z)}, Dense(w["W"])


def _layers() -> _Work:
    """The forward pass of layers too small to take time, and their blocks."""
    net = Network([_Linear(4)] * LAYERS, 4)
    return _Work(partial(checks.linearize, net, net.unpack(np.zeros(net.size)), np.ones((1, 4))))


def _merges() -> _Work:
    """The cheapest bracketing of an hourglass too small for its products to take time."""
    net = Network([_Linear(width) for width in (4, 1, 4, 4)], 4)
    blocks: list[Block] = [({}, Dense(np.ones((m, n)))) for n, m in pairwise(net.n)]
    lin = Linearization(blocks, [NO_COLUMNS] * len(blocks), 1, np.dtype(np.float64)).by_input()
    J, mode = np.empty((1, 4, 4)), MODES["optimal"]
    around = mode.jacobian_cost(Structure(net, lin, 1), None).around
    merges = sum(step.kind == "merge" for step in around)
    return _Work(partial(mode.jacobian, lin, J, None), merges)


def _quickest(actions: Sequence[Action]) -> list[float]:
    """Seconds for one call of each: the shortest of several rounds, since other processes can only add time."""
    inner = [_inner(action) for action in actions]
    best = [math.inf] * len(actions)
    for _ in range(ROUNDS):
        for k, action in enumerate(actions):
            best[k] = min(best[k], _seconds(action, inner[k]) / inner[k])
    return best


def _inner(action: Action) -> int:
    """The number of calls that take about `SAMPLE_SECONDS`."""
    action()
    inner, spent = 1, _seconds(action, 1)
    while spent < SAMPLE_SECONDS / 2:
        inner = math.ceil(inner * min(10.0, SAMPLE_SECONDS / max(spent, SHORTEST)))
        spent = _seconds(action, inner)
    return inner


def _seconds(action: Action, inner: int) -> float:
    begun = time.perf_counter()
    for _ in range(inner):
        action()
    return time.perf_counter() - begun
