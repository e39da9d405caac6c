"""One turn of asv: builds one revision of a project into asv's environment and runs the chosen benchmarks.

`python -m prograd_benchmarks.gate.asv_turn CONFIG SUITE RESULTS REVISION [PATTERN …]` is a process of its own, since
asv changes the working directory and writes to the standard output. `asv run` would keep a single folder of results.
The pattern `just-discover` lists the suite, and nothing runs.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from asv.commands.run import Run
from asv.config import Config
from asv.console import log
from asv.machine import Machine
from asv.util import UserError

MACHINE = "gate"


def main() -> None:
    """Fills the folder of results. Exit code 1: nothing could run; a single benchmark's failure is in the results."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asv ends what it has started on ctrl-C alone
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


if __name__ == "__main__":
    main()
