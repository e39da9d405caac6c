"""`prograd` and `prograd-run` in processes that start at once: they are forked from one that has imported everything.

Like commands started by a shell, they have a process id, an environment, a working directory and an exit code, and
can be killed. Forking saves a second or two of imports. Other tests start the installed scripts themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.helpers import started

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(
    [
        "prograd_experiments.run",
        "prograd_experiments.collect",
        "sklearn.datasets",
        "joblib",
        "submitit",
        "tests.helpers.processes",
    ]
)


class Started:
    """A running command."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str], out: str, err: str) -> None:
        self._process = FORK.Process(target=_become, args=(list(command), str(folder), dict(env), out, err))
        sys.audit(started.STARTED, *command)
        self._process.start()
        self.pid: int = self._process.pid

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float = 600) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "the process did not end"
        return self._process.exitcode


def begin(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Started:
    """Start `prograd-run` or `prograd` with arguments, and discard what it prints."""
    return Started(command, folder, env, os.devnull, os.devnull)


def run(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `prograd-run` or `prograd` with arguments until it ends."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        code = Started(command, folder, env, str(out), str(err)).wait()
        return subprocess.CompletedProcess(list(command), code, out.read_text("utf-8"), err.read_text("utf-8"))


def _become(command: list[str], folder: str, env: dict[str, str], out: str, err: str) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    for descriptor, path in ((1, out), (2, err)):
        sys.stdout.flush()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv = command
    if command[0] == "prograd":
        from prograd.commands.group import main  # noqa: PLC0415  (as the script of that name does)
    else:
        from prograd_experiments.run import main  # noqa: PLC0415
    main()
