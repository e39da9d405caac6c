"""Experiments on prograd: configurations, timing, records and the pages made from them.

`load(directory)` gives back what a training run has learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prograd_experiments.training.trained import Trained, load

__all__ = ["Trained", "load"]


def __getattr__(name: str) -> Any:
    # The commands of `prograd` import this package, and must not wait for all that training needs.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from prograd_experiments.training import trained  # noqa: PLC0415

    return getattr(trained, name)
