"""The modes: orders in which the blocks of a network are multiplied.

A mode is a class (`base.Mode`) with a gradient, a Jacobian, and the order written with brackets. It has its own file
here and one entry in `MODES`, the only list of modes. Everything else asks the mode itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from prograd.errors import UnknownNameError
from prograd.modes.base import OUTPUTS, Evaluation, Left, Mode, Outputs
from prograd.modes.factored import Factored
from prograd.modes.forward import Forward
from prograd.modes.optimal import Optimal
from prograd.modes.reverse import Reverse

__all__ = ["ALIASES", "AUTO", "MODES", "OUTPUTS", "Evaluation", "Left", "Mode", "ModeName", "Outputs", "find"]

ModeName: TypeAlias = Literal["reverse", "forward", "factored", "optimal", "auto", "backward"]
AUTO: Final = "auto"
ALIASES: Final[Mapping[str, str]] = MappingProxyType({"backward": "reverse"})
"""Other names of modes, which `mode=` accepts."""

# The simplest first: "auto" takes the first of those that are predicted to be equally quick.
MODES: Final[Mapping[str, Mode]] = MappingProxyType(
    {mode.name: mode for mode in (Reverse(), Forward(), Factored(), Optimal())}
)


def find(mode: str | Mode) -> Mode:
    """The mode of this name, or the mode itself; "backward" is "reverse". Raises `UnknownNameError`.

    >>> prograd.mode("backward").name
    'reverse'
    """
    if isinstance(mode, Mode):
        return mode
    name = ALIASES.get(mode, mode)
    if name not in MODES:
        raise UnknownNameError("mode", mode, (*MODES, AUTO))
    return MODES[name]
