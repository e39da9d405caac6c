"""The cost of a computation before it runs, predicted from shapes, structure and the rates of the machine."""

from __future__ import annotations

from prograd.planning.plan import Plan, plan, resolve
from prograd.planning.rates import Rates

__all__ = ["Plan", "Rates", "plan", "resolve"]
