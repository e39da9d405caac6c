"""What a computation will cost, before it runs: from shapes and structure, and from the machine's rates."""

from __future__ import annotations

from prograd.planning.plan import Plan, plan, resolve
from prograd.planning.rates import Rates

__all__ = ["Plan", "Rates", "plan", "resolve"]
