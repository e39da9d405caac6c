"""A gallery of wrong layers, losses or operators, each with the checks that must catch it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from prograd.errors import ConformanceError


@dataclass(frozen=True)
class Wrong:
    """A class, the arguments that its instance is checked with, the checks that must fail, and a part of a message."""

    cls: type
    arguments: dict[str, Any]
    checks: frozenset[str]
    says: str


class Gallery:
    """Wrong classes for `check`. All are checked with `arguments`, unless one brings arguments of its own."""

    def __init__(self, check: Callable[..., object], **arguments: Any) -> None:
        self.check = check
        self.arguments = arguments
        self.entries = []

    def wrong(self, *checks: str, says: str = "", **arguments: Any):
        """Add a class that fails exactly `checks`; one of the messages must match `says`."""

        def add(cls):
            entry = Wrong(cls, self.arguments | arguments, frozenset(checks), says)
            self.entries.append(pytest.param(entry, id=cls.__name__))
            return cls

        return add

    def caught(self, entry: Wrong) -> None:
        """Assert that the expected checks fail and no others."""
        failures = failures_of(self.check, entry.cls(), **entry.arguments)
        told = "\n".join(map(str, failures))
        assert {failure.name for failure in failures} == entry.checks, told
        assert any(re.search(entry.says, failure.message) for failure in failures), told

    @property
    def alone(self) -> set[str]:
        """The checks that catch something which no other check catches."""
        checks = [entry.checks for param in self.entries for entry in param.values]
        return set().union(*(some for some in checks if len(some) == 1))


def failures_of(check: Callable[..., object], *arguments: Any, **options: Any):
    """The outcomes of the checks that fail; at least one must."""
    with pytest.raises(ConformanceError) as caught:
        check(*arguments, **options)
    return caught.value.failures
