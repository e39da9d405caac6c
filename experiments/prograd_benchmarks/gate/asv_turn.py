"""One turn of asv: one revision of a project, built into asv's environment, and the benchmarks that were chosen.

A process of its own, `python -m prograd_benchmarks.gate.asv_turn CONFIG RESULTS REVISION [PATTERN …]`, since asv
changes the working directory and writes to the standard output. Not `asv run`, which keeps one folder of results.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from asv.commands.run import Run
from asv.config import Config
from asv.console import log
from asv.machine import Machine
from asv.util import UserError

MACHINE = "gate"


def main() -> None:
    """Fills the folder of results. Exit status 1 where nothing can run; of single benchmarks the results say it."""
    config, results, revision, *patterns = sys.argv[1:]
    os.chdir(Path(config).parent)
    log.enable(verbose=True)
    settings = Config.load(config)
    settings.results_dir = results
    settings.branches = [revision]  # asv looks for the suite with these when the revision does not build
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
    except UserError as error:  # its message says it all, and what was printed before says why
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    main()
