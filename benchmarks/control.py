"""Benchmarks that no revision can change: when they move, the machine has changed."""

from __future__ import annotations

from prograd_benchmarks.control import Control

__all__ = ["Control"]
