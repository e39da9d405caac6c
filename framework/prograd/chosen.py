"""Some of the parameters of a network: whose derivatives are asked for, by layer or by layer and name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeAlias

from prograd.errors import OptionError

Wanted: TypeAlias = int | tuple[int, str] | Sequence[int | tuple[int, str]]
"""Numbers of layers, and pairs of a layer's number and a parameter's name; a single one needs no list."""

Names: TypeAlias = tuple[tuple[str, ...], ...]
"""For each layer, the names of its parameters that are chosen, in their order."""

Shapes: TypeAlias = Sequence[Mapping[str, tuple[int, ...]]]


def names(wanted: Wanted, shapes: Shapes, describe: Callable[[int], str], where: str) -> Names:
    """What is wanted of a network with these parameters. Raises `OptionError` for what it does not have."""
    found: list[set[str]] = [set() for _ in shapes]
    for one in _listed(wanted, where):
        pair = isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[1], str)
        i = number(one[0] if pair else one, shapes, describe, where)
        if pair and one[1] not in shapes[i]:
            known = ", ".join(map(repr, shapes[i]))
            raise OptionError(f"{where}: expected a parameter of {describe(i)} ({known}), got {one[1]!r}")
        found[i] |= {one[1]} if pair else set(shapes[i])
    return tuple(tuple(name for name in shapes_i if name in some) for some, shapes_i in zip(found, shapes, strict=True))


def number(k: Any, shapes: Shapes, describe: Callable[[int], str], where: str) -> int:
    """The layer that k counts, from the end if it is negative. Raises `OptionError` unless it has parameters."""
    count = len(shapes)
    if not isinstance(k, Integral) or isinstance(k, bool) or not -count <= int(k) < count:
        raise OptionError(f"{where}: expected numbers from {-count} to {count - 1}, got {k!r}")
    i = int(k) % count
    if not shapes[i]:
        raise OptionError(f"{where}: expected layers with parameters, got {k}, {describe(i)}")
    return i


def first_of(chosen: Names) -> int:
    """The first layer with a parameter that is chosen."""
    return next((i for i, some in enumerate(chosen) if some), len(chosen))


def pairs(chosen: Names) -> list[tuple[int, str]]:
    """What is chosen, one by one."""
    return [(i, name) for i, some in enumerate(chosen) for name in some]


def words(chosen: Names) -> str:
    """What is chosen, in words: `layers[0].W, layers[2].b`."""
    return ", ".join(f"layers[{i}].{name}" for i, name in pairs(chosen))


def _listed(wanted: Wanted, where: str) -> Sequence[Any]:
    if isinstance(wanted, Integral) or (isinstance(wanted, tuple) and len(wanted) == 2 and isinstance(wanted[1], str)):
        return [wanted]
    if isinstance(wanted, (str, Mapping)) or not isinstance(wanted, Sequence) or not wanted:
        raise OptionError(
            f"{where}: expected numbers of layers and pairs with a parameter's name, such as [0, (2, 'W')], "
            f"got {wanted!r}"
        )
    return wanted
