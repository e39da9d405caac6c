"""The experiments that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prograd_experiments.experiment import Experiment
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.speed_gap import SpeedGap

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({SpeedGap.name: SpeedGap(), Peers.name: Peers()})
