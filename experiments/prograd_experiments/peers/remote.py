"""The driver's side of an engine's process: requests with limits on time and memory; exceeding one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from prograd.tape.machine import VARIABLE
from prograd_experiments.peers import worker

START_SECONDS = 300.0  # for imports, and for the first compilation of an engine that compiles
PATIENCE = 0.05  # between checks of the memory while a request runs


class Lost(Exception):  # noqa: N818  (not an error of the program: it says why the engine has no result)
    """An engine gives no result: `outcome` is one of those in docs/performance.md, and the message says more."""

    def __init__(self, outcome: str, note: str) -> None:
        super().__init__(note)
        self.outcome, self.note = outcome, note


class Remote:
    """An engine's process. It ends with the driver, and with a request that exceeds a limit."""

    def __init__(self, target: str, threads: int, max_bytes: int, machine: str | None = None) -> None:
        self._max_bytes = max_bytes
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._connection, theirs = Pipe()
        command = [sys.executable, "-P", "-m", worker.__name__, target, str(threads), str(theirs.fileno())]
        # A session of its own, so that everything the engine starts, such as a compiler, ends with it.
        self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
            command,
            env=environment(threads, machine),
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            self.about: Mapping[str, Any] = self._answer(START_SECONDS)
        except Lost:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it takes further requests."""
        return not self._connection.closed

    def ask(self, request: str, *arguments: Any, seconds: float) -> Any:
        """The answer. Raises `Lost`; the process has ended then, unless the engine itself reported an error."""
        try:
            self._connection.send((request, *arguments))
        except OSError:
            raise self._gone() from None
        return self._answer(seconds)

    def close(self) -> None:
        """Ends the process and all that it started; a second call does nothing."""
        if self._connection.closed:
            return
        self._connection.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._words.close()

    def _answer(self, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not self._connection.poll(PATIENCE):
            if resident_bytes(self._process.pid) > self._max_bytes:
                self.close()
                raise Lost("out of memory", f"more than {self._max_bytes / 2**30:.3g} GiB")
            if time.monotonic() > deadline:
                self.close()
                raise Lost("too slow", f"> {seconds:g} s")
        try:
            kind, content = self._connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if kind == worker.DONE:
            return content
        if kind == worker.MISSING:
            self.close()
            raise Lost("not installed", f"{content}; pip install 'prograd[peers]'")
        raise Lost("out of memory" if kind == worker.NO_MEMORY else "failed", str(content))

    def _gone(self) -> Lost:
        code = self._process.wait()
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        self.close()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        # The kernel kills with this signal when it is short of memory.
        guess = " (the system may be out of memory)" if code == -signal.SIGKILL else ""
        return Lost("died", f"its process was {how}{guess}" + (f": {lines[-1]}" if lines else ""))


def environment(threads: int, machine: str | None = None) -> dict[str, str]:
    """The caller's environment, with this number of threads for every library that an engine may use.

    If a `machine` is given, it runs prograd's tapes.
    """
    count, several = str(threads), "true" if threads > 1 else "false"
    return {
        **os.environ,
        **({} if machine is None else {VARIABLE: machine}),
        "KMP_BLOCKTIME": "0",  # MKL's threads would spin for 200 ms after a product, into the next engine's turn
        **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), count),
        # NPROC sizes XLA's own thread pool; the flags limit Eigen's.
        "NPROC": count,
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={count}",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        # A pool of compiling processes would keep cores busy while others are timed.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def resident_bytes(pid: int) -> int:
    """The memory that a process occupies; 0 if the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
