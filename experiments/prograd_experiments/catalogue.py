"""The experiments that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prograd_experiments.bracketing import BRACKETING
from prograd_experiments.experiment import Experiment
from prograd_experiments.peers.experiment import PEERS
from prograd_experiments.speed_gap import SPEED_GAP
from prograd_experiments.training import TRAIN

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {each.name: each for each in (SPEED_GAP, PEERS, TRAIN, BRACKETING)}
)
