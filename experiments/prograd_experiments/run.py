"""`prograd-run`: the Hydra application. One job without `-m`, a sweep with it."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig
from rich.console import Console

import prograd
from prograd.commands.consoles import write_anything
from prograd.commands.refusals import PLACES, of_the_system
from prograd.foreign import Interrupt, listening
from prograd.options import plain
from prograd_experiments import arguments, completion, effect, jobs, manual, terminal
from prograd_experiments import config as read
from prograd_experiments.errors import AgreementError, ProcessError
from prograd_experiments.messages import is_refusal, message_of
from prograd_experiments.wishes import Wishes

FAILED, REFUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143
PROVIDER = "prograd"


NOT_THE_USERS = (AgreementError, ProcessError)
"""Errors of a job that no other configuration would have avoided."""


class Terminated(Interrupt):
    """SIGTERM: the process is to end, as after ctrl-C."""


@hydra.main(version_base="1.3", config_path="pkg://prograd_experiments.conf", config_name="config")
def application(cfg: DictConfig) -> str:
    """Runs one job and returns the status in its record."""
    context = HydraConfig.get()
    directory = Path(context.runtime.output_dir)
    if context.mode == RunMode.MULTIRUN:
        listener = jobs.Listener(progress=terminal.progress_in_a_sweep(Console(), " ".join(context.overrides.task)))
        record = jobs.run(jobs.resolved(cfg), directory, force=Wishes.of(cfg).force, listener=listener)
        return str(record["status"])
    # Hydra would print the overrides above an exception's message, and the message alone is complete.
    with reported():
        read.in_place(context.job.chdir)
        wishes, config = Wishes.of(cfg), jobs.resolved(cfg)
        for key in ("points", "dry_run"):
            if value := read.setting(cfg, key)[key]:
                raise read.refused(key, "a sweep with it", value, "-m makes one")
        effect.require(arguments.keys(context.overrides.task), [(cfg, effect.without(config))])
        console, errors = Console(), list[BaseException]()
        terminal.tell(console, jobs.told(jobs.experiment_of(config).check(config)))
        with terminal.progressing(console) as progress:
            record = jobs.run(
                config,
                directory,
                force=wishes.force,
                keep_other_code=wishes.keep_other_code,
                listener=jobs.Listener(
                    skipped=lambda: console.print("complete already; force=true runs it again", highlight=False),
                    progress=progress,
                    failed=errors.append,
                ),
            )
        for error in errors:
            if is_refusal(error) and not isinstance(error, NOT_THE_USERS):
                raise error
        terminal.show_record(console, jobs.experiment_of(record["config"]), record, directory)
    if record["status"] != "complete":
        raise SystemExit(FAILED)
    return str(record["status"])


def main() -> None:
    """Exit code 0: all jobs complete; 1: some failed; 2: the configuration was refused and nothing ran.

    130 and 143: interrupted by ctrl-C and by SIGTERM.
    """
    # Makes Hydra raise an error instead of printing it with a hint at this variable.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    write_anything()
    signal.signal(signal.SIGTERM, _terminate)
    with reported(), listening():
        for plugin in prograd.registry().broken:
            _say(f"plugin {plugin.name!r} of {plugin.distribution} is broken and left out: {plugin.error}")
        completed = completion.answer(sys.argv[1:], os.environ.get("COMP_LINE", ""))
        if completed is not None:
            sys.stdout.write(f"{completed}\n")
            return
        store_choices()
        sys.argv[1:] = arguments.arranged(sys.argv[1:])
        if manual.asked(sys.argv[1:]):
            sys.stdout.write(f"{manual.page(sys.argv[1:])}\n")
        else:
            application()


def store_choices() -> None:
    """Adds the installed losses and penalties to Hydra's choices; before `hydra.main` runs."""
    hydra_store = ConfigStore.instance()
    for group in ("loss", "penalty"):
        for name, cls in prograd.registry().kinds[group].items():
            hydra_store.store(group=group, name=name, node={"name": name, **options(cls)}, provider=PROVIDER)


def options(cls: type[object]) -> dict[str, Any]:
    """The options of a registered class that a configuration can hold; `???` for an option without a default."""
    return {name: MISSING if value is dataclasses.MISSING else value for name, value in plain(cls).known.items()}


@contextmanager
def reported() -> Iterator[None]:
    """Turns an error that is meant for the user into its message and an exit code; any other is a bug, and raises."""
    try:
        yield
    except KeyboardInterrupt as error:
        terminated = isinstance(error, Terminated)
        _say("terminated" if terminated else "interrupted")
        raise SystemExit(TERMINATED if terminated else INTERRUPTED) from error
    except Exception as error:
        if is_refusal(error):
            _say(message_of(error))
            raise SystemExit(REFUSED) from error
        if isinstance(error, OSError):
            _say(of_the_system(error))
            raise SystemExit(REFUSED if isinstance(error, PLACES) else FAILED) from error
        raise


def _terminate(*_: object) -> None:
    raise Terminated


def _say(text: str) -> None:
    sys.stderr.write("".join(f"prograd-run: {line}\n" for line in text.splitlines() if line.strip()))


if __name__ == "__main__":
    main()
