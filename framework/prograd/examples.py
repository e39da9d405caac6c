"""The example of a layer, a loss or a penalty that gives none of its own."""

from __future__ import annotations

from typing import TypeVar

from prograd.errors import OptionError

Made = TypeVar("Made")


def of_defaults(cls: type[Made]) -> Made:
    """One with the defaults of its options. Raises `OptionError` where an option has none."""
    try:
        return cls()
    except TypeError as error:
        raise OptionError(
            f"{cls.__name__}: expected its own examples(), since it has options without defaults: {error}"
        ) from error
