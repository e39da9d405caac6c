"""The hooks through which layers and losses reach prograd. Each runs once, when the registry is made.

They, like all that `docs/plugins.md` calls stable, change only with prograd's major version: a plugin says in its
metadata which versions it was written for (`dependencies = ["prograd>=0.1,<1"]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pluggy

from prograd.layer import Layer
from prograd.loss import Loss

PROJECT: Final = "prograd"
GROUP: Final = "prograd"
"""The entry-point group in which plugins are found."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def prograd_layers() -> Mapping[str, type[Layer]]:  # type: ignore[empty-body]
    """The layers that this plugin brings: name -> class."""


@hookspec
def prograd_losses() -> Mapping[str, type[Loss]]:  # type: ignore[empty-body]
    """The losses that this plugin brings: name -> class."""
