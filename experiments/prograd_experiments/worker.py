"""A process for the jobs of a sweep: kept from job to job, and replaced when it dies, which costs one job alone."""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log, setup_globals
from hydra.types import TaskFunction
from omegaconf import DictConfig

from prograd.foreign import Interrupt, let_pass, reason
from prograd_experiments.errors import NoResult
from prograd_experiments.process import STANDARD, is_open

PATIENCE = 30.0  # seconds for a job that is interrupted to write its record, and for a process to end

ENDING = (signal.SIGINT, signal.SIGTERM)

# A fresh interpreter: a fork would take over threads, locks and memory of a process that has worked already.
CONTEXT = multiprocessing.get_context("spawn")


class Worker:
    """Runs a Hydra application's task function in a process of its own, which begins with the first job."""

    def __init__(self, task: TaskFunction) -> None:
        self._task = _module(task), task.__qualname__
        self._jobs: _Jobs | None = None
        # Before Python waits for its child processes, which would wait for another job.
        Finalize(self, self.close, exitpriority=10)

    def run(self, config: DictConfig) -> Any:
        """The task's result, from a job that `hydra.core.utils.run_job` has prepared here.

        Raises the task's exception, and `NoResult` if the process ended first.
        """
        if self._jobs is not None and not self._jobs.alive:  # someone ended it between two jobs
            self.close()
        if self._jobs is None:
            with _held_back():
                self._jobs = _Jobs(*self._task)
        jobs = self._jobs
        try:
            good, answer, goes_on = jobs.ask(config, HydraConfig.instance().cfg, Path.cwd(), dict(os.environ))
        except (EOFError, OSError):
            self._jobs = None
            raise jobs.end() from None
        except BaseException:  # someone wants the sweep to end
            jobs.interrupt()
            self.close()
            raise
        if not goes_on:
            self.close()
        if not good:
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process; the next job begins another."""
        if self._jobs is not None:
            self._jobs.end()
        self._jobs = None


class _Jobs:
    """A process that runs jobs, and the file into which it writes where a fatal signal hit it."""

    def __init__(self, module: str, name: str) -> None:
        handle, faults = tempfile.mkstemp(prefix="prograd-faults-")
        os.close(handle)
        self._faults = Path(faults)
        self._connection, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(theirs, module, name, faults), name="prograd-jobs")
        self._ready = False
        with _no_main():
            self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_alive()

    def ask(self, *request: object) -> tuple[bool, Any, bool]:
        """Whether the job came to a result; the result or its exception; whether the process takes another job.

        Raises `EOFError` or `OSError` if the process ends.
        """
        if not self._ready:
            self._ready = self._answer()
        self._connection.send(request)
        answer: tuple[bool, Any, bool] = self._answer()
        return answer

    def interrupt(self) -> None:
        """Passes on what a terminal sends to the sweep's process alone, so that the job writes its record."""
        if not self._ready:
            self._process.kill()  # no job has begun
        elif self._process.pid is not None and self.alive:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)

    def _answer(self) -> Any:
        wait([self._connection, self._process.sentinel])
        if not self._connection.poll():  # something that the job started may keep the other end open
            raise EOFError
        return self._connection.recv()

    def end(self) -> NoResult:
        """Ends the process; returns what is known of its end, as the error of a job that got no result from it."""
        self._connection.close()
        self._process.join(PATIENCE)
        code = self._process.exitcode
        if code is None:
            how = f"hung up and went on for {PATIENCE:g} s"
            self._process.kill()
            self._process.join()
        else:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        error = NoResult(f"expected a result, got none: the process of the job {how}")
        if faults := self._faults.read_text("utf-8", "replace"):
            error.add_note(faults)
        self._faults.unlink()
        return error


def _module(task: TaskFunction) -> str:
    """The name of the task's module, also if Python runs that as the main one."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if task.__module__ == "__main__" and spec else task.__module__


@contextmanager
def _no_main() -> Iterator[None]:
    """Hides the main module: `spawn` would import it again, and a script without a guard would begin a sweep."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals that end a sweep wait until a process has begun, and that process holds them back until it is ready."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # `spawn` does so too, and lets the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, module: str, name: str, faults: str) -> None:
    """Runs jobs until the other side hangs up, ends or interrupts."""
    if hasattr(os, "setsid"):
        os.setsid()  # a terminal's ctrl-C comes from the other side, once
    for number in ENDING:
        signal.signal(number, _interrupted)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    setup_globals()
    with suppress(KeyboardInterrupt, EOFError, OSError), Path(faults).open("w", encoding="utf-8") as words:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        faulthandler.enable(words)
        task = inspect.unwrap(getattr(importlib.import_module(module), name))
        goes_on = True
        connection.send(goes_on)  # ready
        while goes_on:
            good, answer = _done(task, *connection.recv())
            goes_on = all(map(is_open, STANDARD))
            connection.send((good, answer, goes_on))


def _done(
    task: TaskFunction, config: DictConfig, whole: DictConfig, folder: Path, environment: Mapping[str, str]
) -> tuple[bool, Any]:
    """Whether the task came to a result, and the result or the exception."""
    try:
        # What an earlier job changed must not reach this one.
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        HydraConfig.instance().set_config(whole)
        configure_log(whole.hydra.job_logging, whole.hydra.verbose)
        return True, task(config)
    except BaseException as error:  # noqa: BLE001  (a job may raise anything)
        let_pass(error)
        return False, _sent(error)


def _sent(error: BaseException) -> Exception:
    """The exception as the other side can raise it, with its traceback in a note."""
    told = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (made in this line)
    except Exception:  # noqa: BLE001  (what an exception holds may be anything)
        copy = None
    sent = copy if isinstance(copy, Exception) else NoResult(f"expected a result, got {reason(error)}")
    sent.add_note(told)
    return sent


def _interrupted(*_: object) -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the writing of the record
    raise Interrupt


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """Ends this process when the sweep's process ends, however that ends."""
    parent.join()
    # It is still our parent for a moment. Longer only if a job closed the descriptor that `join` waits for.
    while os.name == "posix" and os.getppid() == parent.pid:
        time.sleep(0.01)
    os._exit(1)
