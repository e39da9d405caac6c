"""Values that an operator works out once, and that a subclass may assign."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builtins import property as derived
else:  # to type checkers a property, which can be overridden by anything
    from functools import cached_property as derived

__all__ = ["derived"]
