"""Benchmarks that no revision can change: when they move, the machine has changed."""

from __future__ import annotations

from prograd_benchmarks import control
from prograd_benchmarks.timing import ratio, seconds, statistics


class Control:
    """A loop in Python, a product of numpy's, and their ratio."""

    timeout = 60

    def track_python_loop(self) -> dict[str, object]:
        return statistics(seconds({"": control.python_loop()})[""])

    track_python_loop.unit = "seconds"  # type: ignore[attr-defined]

    def track_product(self) -> dict[str, object]:
        return statistics(seconds({"": control.product()})[""])

    track_product.unit = "seconds"  # type: ignore[attr-defined]

    def track_python_loop_over_product(self) -> dict[str, object]:
        return ratio(control.python_loop(), control.product())

    track_python_loop_over_product.unit = "ratio"  # type: ignore[attr-defined]
