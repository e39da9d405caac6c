"""The conformance kit on one layer and one loss."""

from __future__ import annotations

import numpy as np

import prograd
from prograd.testing import check_layer, check_loss
from prograd_benchmarks.timing import seconds, statistics


class Kit:
    """How long a plugin's author waits."""

    timeout = 120

    def track_layer_seconds(self) -> dict[str, object]:
        layer = prograd.layer("affine", width=3)
        return statistics(seconds({"": lambda: check_layer(layer, 4)})[""])

    track_layer_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_loss_seconds(self) -> dict[str, object]:
        loss = prograd.loss("squared_error")
        z, y = np.random.default_rng(0).normal(size=(2, 3, 4))
        return statistics(seconds({"": lambda: check_loss(loss, z, y)})[""])

    track_loss_seconds.unit = "seconds"  # type: ignore[attr-defined]
