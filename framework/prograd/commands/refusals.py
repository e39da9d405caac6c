"""What goes wrong becomes one line: with exit code 2 where another call cures it, else with exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from prograd.errors import ConformanceError, NotRecordable, PluginError, ProgradError
from prograd.foreign import let_pass, reason

NOT_THE_USERS: Final = (PluginError, ConformanceError, NotRecordable)
"""Errors that no other command line would have avoided."""

PLACES: Final = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors of a path that someone has given."""


class Refused(click.ClickException):
    """A person's mistake."""

    exit_code = 2

    @classmethod
    def usage(cls, error: click.UsageError) -> Refused:
        """A wrong command line, without the usage that click prints around it."""
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return cls(f"{error.format_message().removesuffix('.')}{hint}")


@contextmanager
def one_line() -> Iterator[None]:
    """Turns errors of prograd, of the system and of the command line into click's, which print their message alone."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise Refused.usage(error) from error
    except NOT_THE_USERS as error:
        raise click.ClickException(str(error)) from error
    except ProgradError as error:
        raise Refused(str(error)) from error
    except MemoryError as error:
        raise Refused(of_memory(error)) from error
    except PLACES as error:
        raise Refused(of_the_system(error)) from error
    except BrokenPipeError:  # click ends without a word
        raise
    except OSError as error:
        raise click.ClickException(of_the_system(error)) from error
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # a plugin's, which would end it in silence
        let_pass(error)
        raise click.ClickException(f"expected a result, got {reason(error)} from the code of a plugin") from error


def of_the_system(error: OSError) -> str:
    """The message of an error that the operating system raised."""
    if error.filename is None or error.strerror is None:
        return error.strerror or str(error)
    return f"{error.filename}: expected a path that can be used, got {error.strerror[:1].lower()}{error.strerror[1:]}"


def of_memory(error: MemoryError) -> str:
    """The message where memory is not enough."""
    why = str(error) or "no memory left"
    return f"memory: expected arrays that fit, got: {why[:1].lower()}{why[1:]}; a smaller batch or width needs less"
