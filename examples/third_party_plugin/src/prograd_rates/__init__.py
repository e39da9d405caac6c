"""Rates of events with prograd: the layer `fourier_features` and the loss `poisson`."""

from __future__ import annotations

from prograd import Layer, Loss, hookimpl
from prograd_rates.features import FourierFeatures
from prograd_rates.hadamard import SignedHadamard
from prograd_rates.poisson import Poisson

__all__ = ["FourierFeatures", "Poisson", "SignedHadamard"]


@hookimpl
def prograd_layers() -> dict[str, type[Layer]]:
    """The layers of this plugin by name."""
    return {"fourier_features": FourierFeatures}


@hookimpl
def prograd_losses() -> dict[str, type[Loss]]:
    """The losses of this plugin by name."""
    return {"poisson": Poisson}
