"""What a computation will cost, known before it runs: from shapes and structure, and from rates of the machine."""

from __future__ import annotations

from prograd.planning.plan import Plan, plan, resolve
from prograd.planning.rates import Rates

__all__ = ["Plan", "Rates", "plan", "resolve"]
