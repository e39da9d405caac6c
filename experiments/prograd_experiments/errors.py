"""The errors of experiments: each names what was asked for, what came, and what would do."""

from __future__ import annotations

from prograd.errors import ProgradError


class ConfigError(ProgradError, ValueError):
    """A key of the configuration has a value that can't be used; the message names the key and the valid choices."""


class RecordError(ProgradError, ValueError):
    """A file is no record of a run, or a directory holds none."""


class AgreementError(ProgradError, AssertionError):
    """The modes computed different gradients, so their times mean nothing."""
