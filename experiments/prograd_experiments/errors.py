"""The errors of experiments. Messages have one form: `where: expected X, got Y`, then a hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prograd.errors import ProgradError


class ConfigError(ProgradError, ValueError):
    """A key of the configuration is unknown or has a value that can't be used."""


class RecordError(ProgradError, ValueError):
    """A file does not hold what it should: a record, a checkpoint, or a directory's records."""


class AgreementError(ProgradError, AssertionError):
    """The modes computed different results, so their times mean nothing."""


class BusyError(ProgradError, RuntimeError):
    """Another process is working in the directory."""


class ProcessError(ProgradError, RuntimeError):
    """A job left its process in a state that it did not find it in."""


class NoResult(Exception):  # noqa: N818  (the type that a record names)
    """A job ended without leaving a result."""


class LaunchError(ProgradError, RuntimeError):
    """A launcher began none of its jobs."""


class PartialError(ProgradError):
    """A job can't go on; its record keeps `results`, the results up to that moment."""

    def __init__(self, message: str, results: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.results = dict(results)


class DivergedError(PartialError, FloatingPointError):
    """Training produced numbers that are not finite; the message names the layer."""
