"""The engines. Each is imported only in its own process, so none of them has to be installed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "floor": "prograd_experiments.peers.engines.floor:Floor",
        "floor_mkl": "prograd_experiments.peers.engines.floor:FloorMkl",
        "prograd": "prograd_experiments.peers.engines.prograd:Prograd",
        "numpy": "prograd_experiments.peers.engines.numpy:Numpy",
        "jax": "prograd_experiments.peers.engines.jax:Jax",
        "torch": "prograd_experiments.peers.engines.torch:Torch",
        "torch_compile": "prograd_experiments.peers.engines.torch:TorchCompile",
        "autograd": "prograd_experiments.peers.engines.autograd:Autograd",
    }
)
