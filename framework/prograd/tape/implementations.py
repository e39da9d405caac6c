"""What a recording does for functions of numpy's: a table, which the modules that implement some of them fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]

TABLE: dict[Function, Function] = {}
"""For each function the one that is called in its place, with the recorder before numpy's arguments."""


def implements(*functions: Function) -> Callable[[Function], Function]:
    """Enters the decorated function for each of these."""

    def add(implementation: Function) -> Function:
        TABLE.update(dict.fromkeys(functions, implementation))
        return implementation

    return add


def numbers(given: Any) -> tuple[int, ...]:
    """What numpy takes as one number or as several: axes, a shape."""
    return tuple(given) if isinstance(given, (tuple, list, range)) else (int(given),)
