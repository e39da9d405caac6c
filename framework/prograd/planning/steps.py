"""placeholder until the rates land"""

from __future__ import annotations

from typing import NamedTuple

from prograd.tape.tape import Tape


class Step(NamedTuple):
    name: str
    times: int
    multiply_adds: int
    moved: int


def steps_of(tape: Tape) -> tuple[Step, ...]:
    return tuple(Step(i.name, i.times, i.multiply_adds * i.times, i.nbytes * i.times) for i in tape.instructions)
