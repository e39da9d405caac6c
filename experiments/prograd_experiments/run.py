"""`prograd-run`: the Hydra application. One job without `-m`, a sweep with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

import prograd
from prograd.errors import ProgradError
from prograd_experiments import choices, jobs, messages, terminal
from prograd_experiments import config as read
from prograd_experiments.config import resolved

FAILED, REFUSED, INTERRUPTED = 1, 2, 130


@hydra.main(version_base="1.3", config_path="pkg://prograd_experiments.conf", config_name="config")
def application(cfg: DictConfig) -> str:
    """One job. Its record tells how it went; the status is returned."""
    context = HydraConfig.get()
    directory = Path(context.runtime.output_dir)
    if context.mode == RunMode.MULTIRUN:
        return str(jobs.run(resolved(cfg), directory, force=read.boolean(cfg, "force"))["status"])
    # An exception would pass through Hydra, which writes the overrides above it; the message below says all.
    with reported():
        force = read.boolean(cfg, "force")
        if not force and jobs.kept(resolved(cfg), directory) is not None:
            Console().print("complete already, and not run again; force=true does", highlight=False)
        record = jobs.run(resolved(cfg), directory, force=force)
        terminal.show_record(Console(), jobs.experiment_of(record["config"]), record, directory)
    if record["status"] != "complete":
        raise SystemExit(FAILED)
    return str(record["status"])


def main() -> None:
    """Exit code 0: all jobs complete; 1: some failed; 2: the configuration was refused and nothing ran."""
    # Hydra then raises what it would otherwise print with a hint at this variable, and the message below is enough.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    with reported():
        for plugin in prograd.registry().broken:
            _say(f"plugin {plugin.name!r} of {plugin.distribution} is broken and left out: {plugin.error}")
        choices.store()
        application()


@contextmanager
def reported() -> Iterator[None]:
    """An error with a message for the user becomes that message and an exit code; any other is a bug, and raises."""
    try:
        yield
    except (ProgradError, HydraException, OmegaConfBaseException) as error:
        _say(messages.of(error))
        raise SystemExit(REFUSED) from error
    except OSError as error:
        _say(f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error))
        raise SystemExit(FAILED) from error
    except KeyboardInterrupt as error:
        _say("interrupted")
        raise SystemExit(INTERRUPTED) from error


def _say(text: str) -> None:
    sys.stderr.write("".join(f"prograd-run: {line}\n" for line in text.splitlines() if line.strip()))


if __name__ == "__main__":
    main()
