"""The cost of a computation before it runs, predicted from shapes, structure and the rates of the machine."""

from __future__ import annotations

from prograd.planning.plan import Plan, lazy_mode, plan, resolve
from prograd.planning.rates import Rates

__all__ = ["Plan", "Rates", "lazy_mode", "plan", "resolve"]
