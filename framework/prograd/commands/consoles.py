"""Consoles that are not UTF-8: they get the ASCII form of what they lack, such as `->` for `→`, and no traceback."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TextIO, TypeVar

import click

ERRORS: Final = "prograd.ascii"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_RESERVED: Final[list[TextIO]] = []

FORMS: Final = {
    "→": "->",
    "↦": "->",
    "↓": "v",
    "−": "-",
    "–": "-",
    "—": "-",
    "━": "-",
    "─": "-",
    "•": "*",
    "×": "x",
    "·": "*",
    "⋆": "*",
    "⊗": "(x)",
    "∘": "o",
    "±": "+-",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
    "√": "sqrt",
    "∇": "grad ",
    "∂": "d",
    "‖": "||",
    "⟨": "<",
    "⟩": ">",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "½": "1/2",
    "²": "^2",
    "³": "^3",
    "⁴": "^4",
    "⁹": "^9",
    "ᵀ": "^T",
    "µ": "u",
    "μ": "u",
    "Σ": "sum ",
    "Φ": "Phi",
    "φ": "phi",
    "σ": "sigma",
    "τ": "tau",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "α": "alpha",
    "β": "beta",
    "δ": "delta",
    "ε": "eps",
    "ω": "omega",
}


def write_anything() -> None:
    """From now on, nothing that is printed raises `UnicodeEncodeError`, whatever the encoding of the console.

    What the user chose by `PYTHONIOENCODING=…:errors` stays.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in {"strict", "surrogateescape", "backslashreplace"}:
            stream.reconfigure(errors=ERRORS)


def reserve_output() -> None:
    """From now on, what anyone prints goes to stderr; only `write_json` writes to stdout, which a program may read.

    That holds for code of plugins, for threads and processes that they start, and for what they print at the end.
    """
    stream = sys.stdout
    with suppress(OSError, ValueError):  # a stream of its own, such as that of a test
        if stream.fileno() == 1:
            stream.flush()
            stream = os.fdopen(os.dup(1), "w", encoding=stream.encoding, errors=stream.errors)
            os.dup2(2, 1)
    _RESERVED.append(stream)
    sys.stdout = sys.stderr


def write_json(data: object) -> None:
    """Writes data to the output that was reserved."""
    click.echo(json.dumps(data, indent=2), file=_RESERVED[-1])


def json_option(command: Decorated) -> Decorated:
    """The option `--json`, with which nothing but `write_json` writes to stdout."""

    def reserve(_ctx: click.Context, _parameter: click.Parameter, given: bool) -> bool:  # noqa: FBT001
        if given:
            reserve_output()
        return given

    return click.option("--json", "as_json", is_flag=True, callback=reserve, help="Print JSON.")(command)


def fitting(text: str, encoding: str) -> str:
    """The text as a console of this encoding shows it. A table needs it before it is laid out: forms may be longer."""
    return text.encode(encoding, ERRORS).decode(encoding)


def ascii_form(character: str) -> str:
    """The closest ASCII, `?` if there is none."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return FORMS.get(character) or plain or ("" if unicodedata.combining(character) else "?")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    if all("\udc80" <= character <= "\udcff" for character in lacking):  # bytes of a file's name that are no text
        return lacking.encode("ascii", "surrogateescape"), error.end
    return "".join(map(ascii_form, lacking)), error.end


codecs.register_error(ERRORS, _replaced)
