"""The hooks through which a plugin brings layers, losses and penalties. Each runs once, when the registry is made.

The hooks, like everything that `docs/plugins.md` calls stable, change only with prograd's major version. A plugin
states in its metadata which versions it was written for (`dependencies = ["prograd>=0.1,<1"]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pluggy

from prograd.layer import Layer
from prograd.loss import Loss
from prograd.penalty import Penalty

PROJECT: Final = "prograd"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def prograd_layers() -> Mapping[str, type[Layer]]:  # type: ignore[empty-body]
    """The layers of this plugin: name -> class."""


@hookspec
def prograd_losses() -> Mapping[str, type[Loss]]:  # type: ignore[empty-body]
    """The losses of this plugin: name -> class."""


@hookspec
def prograd_penalties() -> Mapping[str, type[Penalty]]:  # type: ignore[empty-body]
    """The penalties of this plugin: name -> class."""
