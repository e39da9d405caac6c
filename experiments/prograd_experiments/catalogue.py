"""The experiments that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prograd_experiments.bracketing import Bracketing
from prograd_experiments.experiment import Experiment
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.speed_gap import SpeedGap
from prograd_experiments.training import Train

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {each.name: each for each in (SpeedGap(), Peers(), Train(), Bracketing())}
)
