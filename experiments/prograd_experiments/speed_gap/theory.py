"""The slopes of the theory: with which powers of depth and width the multiply-adds of a gradient grow in each mode."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prograd_experiments.records import Record

SLOPES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "forward": {"depth": 2, "width": 4},
        "factored": {"depth": 2, "width": 3},
        "reverse": {"depth": 1, "width": 2},
    }
)
"""The exponents that the modes approach in deep and wide networks of affine layers with equal widths."""

EQUAL_WIDTHS = ("mlp", "residual")


def holds(record: Record) -> bool:
    """Whether the network of a job has affine layers with equal widths."""
    network = record["config"].get("network", {})
    return network.get("name") in EQUAL_WIDTHS and network.get("layer") is None
