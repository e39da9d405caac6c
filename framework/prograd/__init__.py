"""prograd: derivatives of progressive functions `h_x(w) = g_L(w^L; … g_1(w^1; x))` in every order of products."""

from __future__ import annotations

from prograd import bracketing, errors, operators, options, rows
from prograd.arrays import Array, one_hot
from prograd.jacobians import jacobian
from prograd.layer import Elementwise, Layer, Parameters
from prograd.lazy import LazyJacobian
from prograd.linearization import Linearization, linearize
from prograd.loss import Loss
from prograd.modes import MODES as _MODES
from prograd.modes import Mode, ModeName
from prograd.modes import find as mode
from prograd.network import Network, layers_from_config
from prograd.objective import Objective
from prograd.penalty import Penalty
from prograd.pieces import jacobian_blocks
from prograd.planning import Plan, Rates, plan
from prograd.plugins.hookspecs import hookimpl
from prograd.plugins.registry import layer, loss, penalty, registry

__version__ = "0.1.0"

MODES: tuple[ModeName, ...] = tuple(_MODES)  # type: ignore[arg-type]  # their names, as `ModeName` lists them
"""The names of the modes, the simplest first."""

__all__ = [
    "MODES",
    "Array",
    "Elementwise",
    "Layer",
    "LazyJacobian",
    "Linearization",
    "Loss",
    "Mode",
    "ModeName",
    "Network",
    "Objective",
    "Parameters",
    "Penalty",
    "Plan",
    "Rates",
    "__version__",
    "bracketing",
    "errors",
    "hookimpl",
    "jacobian",
    "jacobian_blocks",
    "layer",
    "layers_from_config",
    "linearize",
    "loss",
    "mode",
    "one_hot",
    "operators",
    "options",
    "penalty",
    "plan",
    "registry",
    "rows",
]
