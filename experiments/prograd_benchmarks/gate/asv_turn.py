"""One turn of asv: builds one revision of a project into asv's environment and runs the chosen benchmarks.

`python -m prograd_benchmarks.gate.asv_turn CONFIG SUITE RESULTS REVISION [PATTERN …]` is a process of its own, since
asv changes the working directory and writes to the standard output. `asv run` would keep a single folder of results.
The pattern `just-discover` lists the suite, and nothing runs. The turn ends when its standard input does, so that a
gate which is killed leaves nothing running.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from asv.commands.run import Run
from asv.config import Config
from asv.console import log
from asv.machine import Machine
from asv.util import UserError

MACHINE = "gate"
PATIENCE = 10.0
"""Seconds for asv to end the processes that it started."""


def main() -> None:
    """Fills the folder of results. Exit code 1: nothing could run; a single benchmark's failure is in the results."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asv ends what it has started on ctrl-C alone
    end_with_input()
    config, suite, results, revision, *patterns = sys.argv[1:]
    os.chdir(Path(config).parent)
    log.enable(verbose=True)
    settings = Config.load(config)
    settings.benchmark_dir = suite
    settings.results_dir = results
    settings.branches = [revision]  # asv discovers the suite through these if the revision does not build
    settings.html_dir = str(Path(results) / "html")
    machines = str(Path(results) / "machines.json")
    unknown = dict.fromkeys(("os", "arch", "cpu", "num_cpu", "ram"), "")
    Machine.load(machine_name=MACHINE, _path=machines, machine=MACHINE, **unknown)
    try:
        Run.run(
            settings,
            range_spec=[revision],
            bench=patterns,
            machine=MACHINE,
            record_samples=True,
            show_stderr=True,
            pull=False,
            _machine_file=machines,
        )
    except UserError as error:  # its message is complete, and the output before it gives the reason
        sys.exit(f"\n{error}")


def end_with_input() -> None:
    """Ends this process, with all that asv has started, when nobody holds the other end of its standard input."""
    pipe, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what asv starts has no use for the pipe
    os.close(nothing)
    threading.Thread(target=_end_after, args=(pipe,), daemon=True).start()


def _end_after(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    # To the main thread, since a signal that reached this one would not interrupt a wait there.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main()
