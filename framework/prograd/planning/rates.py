"""How fast the machine is: what turns the steps of a tape into seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from prograd.errors import OptionError
from prograd.planning import bench
from prograd.planning.steps import Step
from prograd.planning.tables import Table, finite, positive
from prograd.tape.machine import Machine

AROUND = 5  # calls of NumPy that take as long as the checks of arguments and the memory for a result
SCHEMA = "prograd.rates/3"


@dataclass(frozen=True, eq=False)
class Rates:
    """Seconds of one core.

    `tables` has the seconds of a call of an inner loop by the sizes of its data, which is in the first-level cache.
    `read` and `write` are what a byte takes in addition, by the bytes that were touched since it was touched the last
    time. `run` is for one replay, `instruction` for each of its instructions, `call` for each call of a loop if an
    instruction makes several; it may be negative, since the tables are of instructions that make one. `numpy` and `off`
    are for each instruction when NumPy replays a tape, and when Python interprets the mode. `measured` is when, in
    seconds since 1970.
    """

    tables: Mapping[str, Table]
    read: Table
    write: Table
    run: float
    instruction: float
    call: float
    numpy: float
    off: float
    measured: float

    def seconds(self, steps: Iterable[Step], machine: Machine, threads: int = 1) -> float:
        """The predicted time of a call: Σ over the steps of its tape, and what Python does around it.

        Blocks are shared among threads of the compiled machine.
        """
        return (
            self.run
            + AROUND * self.numpy
            + sum(step.times * self.step_seconds(step, machine, threads) for step in steps)
        )

    def step_seconds(self, step: Step, machine: Machine, threads: int = 1) -> float:
        """The predicted time of one instruction."""
        table = self.tables.get(str(step.kind)) or bench.table(step.kind)
        work = step.calls * (table.at(*step.sizes) + (self.call if step.calls > 1 else 0.0))
        for written, away, size in step.traffic:
            beyond = self.write if written else self.read
            work += size * beyond.at(min(away, beyond.axes[0][-1]))
        if machine == "c":
            return work / min(threads, step.blocks) + self.instruction
        return work + (self.numpy if machine == "numpy" else self.off)

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
            if name in {"read", "write"}:
                found[name] = Table.from_json(name, value)
            elif name == "tables":
                if not isinstance(value, Mapping):
                    raise OptionError(f"tables: expected a table for each kind of loop, got {str(value)[:80]}")
                found[name] = {kind: Table.from_json(kind, table) for kind, table in value.items()}
            elif finite(value) if name == "call" else positive(value):
                found[name] = float(value)
            else:
                kind = "number" if name == "call" else "positive number"
                raise OptionError(f"{name}: expected a {kind}, got {value!r}")
        return cls(**found)

    def __str__(self) -> str:
        return json.dumps(self.as_json())
