"""Every error that prograd raises on purpose.

Each is a `ProgradError` and also the built-in error that a caller would expect, so both `except ProgradError` and
`except ValueError` work. Messages have one form: `where: expected X, got Y`, then a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class ProgradError(Exception):
    """The base of every error raised by prograd."""


class ShapeError(ProgradError, ValueError):
    """An array, a parameter or a layer has the wrong size or kind."""


class LabelError(ProgradError, ValueError):
    """A label lies outside the domain of the loss."""


class UnknownNameError(ProgradError, LookupError):
    """No layer, loss or mode has this name; the message offers the closest ones, and why it may be missing."""

    def __init__(self, kind: str, name: object, known: Iterable[str], note: str = "") -> None:
        known = sorted(known)
        close = get_close_matches(str(name), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"{kind}: expected a known name, got {name!r}; {hint}" + (f" (note: {note})" if note else ""))
        self.kind = kind
        self.unknown = name
        self.known = known
        self.close = close
        self.note = note

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, object, list[str], str]]:
        return type(self), (self.kind, self.unknown, self.known, self.note)


class OptionError(ProgradError, TypeError):
    """An option is unknown, missing or has a value that can't be used; the message lists the accepted options."""


class PluginError(ProgradError):
    """A plugin could not be loaded, or breaks the rules of the interface."""


class NonFiniteError(ProgradError, FloatingPointError):
    """NaN or infinity where a finite number is needed."""


class NotRecordable(ProgradError, TypeError):  # noqa: N818  (what it says about a layer is no error of its own)
    """A layer, loss or penalty asks for numbers where a tape has none: `.owner`, in `.method`, for `.what`."""

    def __init__(self, owner: str, method: str, what: str) -> None:
        where = f"{owner}: {method}: " if owner else ""
        super().__init__(f"{where}expected operations that can be recorded, got one that needs {what}")
        self.owner, self.method, self.what = owner, method, what

    def __reduce__(self) -> tuple[type[NotRecordable], tuple[str, str, str]]:
        return type(self), (self.owner, self.method, self.what)


class ConformanceError(ProgradError, AssertionError):
    """A layer, loss or operator failed checks of the conformance kit; `.failures` names each of them."""

    def __init__(self, message: str, failures: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.failures = list(failures)

    def __reduce__(self) -> tuple[type[ConformanceError], tuple[str, list[object]]]:
        return type(self), (str(self), self.failures)


def instance_hint(given: object) -> str:
    """A question, if a class was given instead of an object."""
    return f"; did you mean {given.__name__}(…)?" if isinstance(given, type) else ""
