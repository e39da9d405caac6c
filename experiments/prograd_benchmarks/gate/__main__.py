"""`python -m prograd_benchmarks.gate BASE`: exit code 0 fine, 1 regression, 2 undecided, 3 busy; 128 + a signal.

Python, click and rich end with 1 on many failures, and 1 means a regression here. So this module turns whatever is no
verdict into another exit code.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from prograd.commands.consoles import write_anything
from prograd.commands.refusals import Refused

if TYPE_CHECKING:
    from types import FrameType

UNDECIDED, SIGNALLED = 2, 128
PROGRAM = "python -m prograd_benchmarks.gate"


class Terminated(KeyboardInterrupt):
    """A signal: the process is to end, as after ctrl-C, with 128 and the signal's number."""


def main() -> NoReturn:
    """Runs the command, and exits."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores one
            signal.signal(number, _terminate)
    code = _code()
    # Python would flush again, and exit with 120 if that fails.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


def _code() -> int:
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed")  # noqa: TRY301
        write_anything()
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        number = error.args[0] if isinstance(error, Terminated) else signal.SIGINT
        _complain(f"ended by {signal.Signals(number).name}")
        return SIGNALLED + int(number)
    except OSError as error:
        _complain(f"could not decide: {error}; is the output closed, or a disk full?")
        return UNDECIDED
    except BaseException:  # noqa: BLE001  (a bug, or `SystemExit` of a library)
        _complain(f"could not decide:\n{traceback.format_exc()}")
        return UNDECIDED
    return code


def _run(arguments: list[str]) -> int:
    try:
        from prograd_benchmarks.gate.command import gate  # noqa: PLC0415  (needs asv, which may be missing)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"prograd", "prograd_benchmarks"}:
            raise
        _complain(
            f"could not decide: expected the module {missing!r}, got none of that name; "
            "pip install 'prograd[bench]' installs it"
        )
        return UNDECIDED
    try:
        with gate.make_context(PROGRAM, arguments) as context:
            return int(gate.invoke(context))
    except click.ClickException as error:
        (Refused.usage(error) if isinstance(error, click.UsageError) else error).show()
        return UNDECIDED
    except click.exceptions.Exit as error:  # after --help
        return error.exit_code


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the ending of asv
    raise Terminated(number)


def _complain(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"bench-gate: {text}\n")


if __name__ == "__main__":
    main()
