"""Benchmarks that no commit can change: when they move, the machine was busy and the plugin is not to blame."""

from __future__ import annotations

from prograd_benchmarks.control import Control

__all__ = ["Control"]
