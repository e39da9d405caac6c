"""The first-party penalties: a plugin like any other, which uses only the public names of `prograd`."""

from __future__ import annotations

from prograd import Penalty, hookimpl
from prograd_penalties.norms import L1, L2

__all__ = ["L1", "L2"]


@hookimpl
def prograd_penalties() -> dict[str, type[Penalty]]:
    """The first-party penalties by name."""
    return {"l1": L1, "l2": L2}
