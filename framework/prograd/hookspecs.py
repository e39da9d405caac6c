"""The hooks through which layers and losses reach prograd. Each runs once, when the registry is made."""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

from prograd.layer import Layer
from prograd.loss import Loss

PROJECT = "prograd"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def prograd_layers() -> Mapping[str, type[Layer]]:  # type: ignore[empty-body]
    """The layers that this plugin brings: name -> class."""


@hookspec
def prograd_losses() -> Mapping[str, type[Loss]]:  # type: ignore[empty-body]
    """The losses that this plugin brings: name -> class."""
