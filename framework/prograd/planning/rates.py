"""How fast the machine is: the rates that turn multiply-adds and bytes into seconds."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

from prograd.errors import OptionError
from prograd.operators.ledger import Cost, Step

SCHEMA = "prograd.rates/2"
CURVES = ("product64", "product32", "memory", "write", "transpose", "replayed_write", "replayed_transpose")
INSTRUCTION_SECONDS = 1e-7  # to start one
Curve = tuple[tuple[float, float], ...]
"""Pairs `(size, rate)` with growing sizes. Rates are interpolated on log axes, and constant beyond the ends."""


@dataclass(frozen=True)
class Rates:
    """Rates of one core per second: multiply-adds of products, moved bytes, and numbers that a function maps.

    `product64` and `product32` are curves over the multiply-adds for each number read or written, `memory` is one over
    the bytes that a call touches, `write` and `transpose` are curves over the bytes of a Jacobian, and so are
    `replayed_write` and `replayed_transpose`, for a tape. The others are seconds: a `call` of an operator, a call that
    writes columns, the overhead of a `rule` of multiplication, the calls of a `layer`, and a `merge` of layers in a
    bracketing.
    """

    product64: Curve
    product32: Curve
    memory: Curve
    write: Curve
    transpose: Curve
    replayed_write: Curve
    replayed_transpose: Curve
    sparse: float
    function: float
    call: float
    columns_call: float
    rule: float
    layer: float
    merge: float

    def seconds(self, cost: Cost, *, replayed: bool = False) -> float:
        """The predicted time. A product takes the time of its multiply-adds or of its bytes, whichever is longer.

        Writes, copies and functions take the time of their bytes. Calls and rules are added;
        where a tape is `replayed`, no Python is called, and an instruction takes next to nothing.
        """
        return sum(self.step_seconds(step, cost.item, replayed=replayed) for step in (*cost.steps, *cost.around))

    def step_seconds(self, step: Step, item: int, *, replayed: bool = False) -> float:  # noqa: C901  (one case a kind)
        """The predicted time of a step whose numbers have `item` bytes."""
        if not step.calls:
            return 0.0
        moving = step.moved / at(self.memory, step.moved / step.calls)
        call = self.call
        match step.kind:
            case "product":
                work = max(step.multiply_adds / at(self.product64 if item == 8 else self.product32, step.depth), moving)
            case "sparse":
                work = max(step.multiply_adds / self.sparse, moving)
            case "columns":
                work, call = moving, self.columns_call
            case "write":
                work = step.moved / at(self.replayed_write if replayed else self.write, step.moved)
            case "layer":
                work, call = 0.0, self.layer
            case "merge":
                work, call = 0.0, self.merge
            case "transpose":
                work = step.moved / at(self.replayed_transpose if replayed else self.transpose, step.moved)
            case "function":
                work = step.moved / (2 * item * self.function)
            case _:
                work = moving
        if replayed:
            return work + step.calls * INSTRUCTION_SECONDS
        return work + step.calls * call + step.rules * self.rule

    def as_json(self) -> dict[str, Any]:
        """The content of a file of rates."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, content: object) -> Self:
        """The rates from the content of a file. Raises `OptionError`."""
        if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
            raise OptionError(f"expected rates with the schema {SCHEMA!r}, got {str(content)[:80]}")
        found: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            value: Any = content.get(name)
            if name in CURVES:
                found[name] = _curve(name, value)
            elif _positive(value):
                found[name] = float(value)
            else:
                raise OptionError(f"{name}: expected a positive number, got {value!r}")
        return cls(**found)

    def __str__(self) -> str:
        return json.dumps(self.as_json())


def at(curve: Curve, size: float) -> float:
    """The rate for a size."""
    k = bisect_left(curve, (size, 0.0))
    if k == 0 or k == len(curve):
        return curve[min(k, len(curve) - 1)][1]
    (below, low), (above, high) = curve[k - 1], curve[k]
    part = math.log(size / below) / math.log(above / below)
    return float(low ** (1 - part) * high**part)


def _curve(name: str, value: Any) -> Curve:
    points = value if isinstance(value, (list, tuple)) else ()
    good = bool(points) and all(
        isinstance(point, (list, tuple)) and len(point) == 2 and all(map(_positive, point)) for point in points
    )
    if not good or any(a[0] >= b[0] for a, b in pairwise(points)):
        raise OptionError(f"{name}: expected pairs of a growing size and a rate, got {value!r}")
    return tuple((float(size), float(rate)) for size, rate in points)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
