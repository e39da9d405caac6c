"""What a shell completes after `prograd-run activation=` and its like: names that Hydra does not know of.

Hydra itself completes keys, groups and their choices, losses among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import prograd
from prograd.tape import machine
from prograd_experiments.architectures import activations

QUERY = ("-sc", "--shell-completion")
SEPARATORS = MappingProxyType({"query=fish": "\n"})
"""Between the words that a shell is given, where it is no space."""

LAST = re.compile(r"(.*[,\[\s])?([^,\[\]\s]*)")
"""A value up to its last comma or bracket, and the word after that."""

CHOICES: Mapping[str, Callable[[], Iterable[str]]] = MappingProxyType(
    {
        "activation": activations,
        "network.layer": lambda: prograd.registry().layers,
        "network.final": lambda: prograd.registry().layers,
        "mode": lambda: (*prograd.MODES, "auto"),
        "modes": lambda: prograd.MODES,
        "machine": lambda: machine.MACHINES,
        "dtype": lambda: ("float64", "float32"),
    }
)


def answer(words: Sequence[str], line: str) -> str | None:
    """What to print to a shell that asks by `words` how to go on with a line, if Hydra would not know it."""
    if len(words) != 2 or words[0] not in QUERY or not words[1].startswith("query="):
        return None
    found = choices(line)
    return None if found is None else SEPARATORS.get(words[1], " ").join(found)


def choices(line: str) -> list[str] | None:
    """The last word of the line with each of the names that it may end in; None for a key without such names."""
    key, equals, value = line.rpartition(" ")[2].partition("=")
    found = LAST.fullmatch(value)
    if not equals or key not in CHOICES or found is None:
        return None
    before, begun = found[1] or "", found[2]
    return [f"{key}={before}{name}" for name in CHOICES[key]() if name.startswith(begun)]
