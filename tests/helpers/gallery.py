"""Galleries of what the checkers must catch, and the subjects that more than one test of the checkers starts from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from prograd import Layer, Loss
from prograd.errors import ConformanceError
from prograd.operators import Dense, Diagonal, Identity, Kronecker, Operator


@dataclass(frozen=True)
class Wrong:
    """A class, what its instance is checked with, the checks that must fail, and what one of their messages says."""

    cls: type
    arguments: dict[str, Any]
    checks: frozenset[str]
    says: str


class Gallery:
    """Wrong layers, losses or operators for `check`, which takes `arguments` unless one of them has its own."""

    def __init__(self, check: Callable[..., object], **arguments: Any) -> None:
        self.check = check
        self.arguments = arguments
        self.entries = []

    def wrong(self, *checks: str, says: str = "", **arguments: Any):
        """Adds a class: the checks that must fail, all others passing, and what one of their messages must say."""

        def add(cls):
            entry = Wrong(cls, self.arguments | arguments, frozenset(checks), says)
            self.entries.append(pytest.param(entry, id=cls.__name__))
            return cls

        return add

    def caught(self, entry: Wrong) -> None:
        """The checks that must fail do, and no other."""
        failures = failures_of(self.check, entry.cls(), **entry.arguments)
        told = "\n".join(map(str, failures))
        assert {failure.name for failure in failures} == entry.checks, told
        assert any(re.search(entry.says, failure.message) for failure in failures), told

    @property
    def alone(self) -> set[str]:
        """The checks for which there is something that no other check catches."""
        checks = [entry.checks for param in self.entries for entry in param.values]
        return set().union(*(some for some in checks if len(some) == 1))


def failures_of(check: Callable[..., object], *arguments: Any, **options: Any):
    """The outcomes of the checks that fail, of which there must be one at least."""
    with pytest.raises(ConformanceError) as caught:
        check(*arguments, **options)
    return caught.value.failures


class Right(Layer):
    """g(W, b; z) = W z + b, right in all respects; the gallery's layers change one of them."""

    def shapes(self, n_in):
        return 4, {"W": (4, n_in), "b": (4,)}

    def g(self, w, z):
        return z @ w.W.T + w.b

    def jacobian(self, w, z, z_next):
        return {"W": Kronecker(4, z), "b": Identity(4)}, Dense(w.W)


class Concave(Loss):
    """Right, and no loss that Gauss-Newton could use."""

    def value(self, z, y):
        return -0.5 * ((z - y) ** 2).sum(axis=1)

    def gradient(self, z, y):
        return y - z

    def hessian(self, z, y):
        return Diagonal(-np.ones_like(z))


class RunningSum(Operator):
    """n(n+1)/2 ones, no multiplication."""

    edges = 0

    def __init__(self, n):
        self.rows = self.cols = n

    def jvp(self, v):
        return np.cumsum(v, axis=-1)

    def vjp(self, q):
        return np.cumsum(q[..., ::-1], axis=-1)[..., ::-1]
