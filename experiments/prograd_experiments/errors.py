"""The errors of experiments: each names what was asked for, what came, and what would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prograd.errors import ProgradError


class ConfigError(ProgradError, ValueError):
    """A key of the configuration has a value that can't be used; the message names the key and the valid choices."""


class RecordError(ProgradError, ValueError):
    """A file is no record of a run, or a directory holds none."""


class AgreementError(ProgradError, AssertionError):
    """The modes computed different results, so their times mean nothing."""


class BusyError(ProgradError, RuntimeError):
    """Another process is at work in a directory."""


class PartialError(ProgradError):
    """A job can't go on; `results` is what it has got until then, to stand in its record."""

    def __init__(self, message: str, results: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.results = dict(results)


class DivergedError(PartialError, FloatingPointError):
    """Training came to numbers that are not finite; the message names the layer."""
