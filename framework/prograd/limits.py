"""The limits that a caller may set."""

from __future__ import annotations

from numbers import Integral

from prograd.errors import OptionError


def check_max_bytes(max_bytes: int) -> None:
    """Raises `OptionError` for what is no number of bytes."""
    whole = isinstance(max_bytes, Integral) and not isinstance(max_bytes, bool)
    if not (whole and max_bytes > 0):
        raise OptionError(f"max_bytes: expected a positive integer or None, got {max_bytes!r}")
