"""A point: a task on a square tanh network of some depth and width, on some samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from prograd_benchmarks.problems import Mlp
from prograd_experiments import config as read
from prograd_experiments.config import Config
from prograd_experiments.errors import ConfigError
from prograd_experiments.peers.given import TASKS, Given

SIZES = ("depth", "width", "batch")
DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Point:
    """What is computed, of how many affine layers, of which width, on how many samples, in which type."""

    task: str
    depth: int
    width: int
    batch: int
    dtype: str

    @classmethod
    def of(cls, config: Config) -> Point:
        """The point that `point=task:depth:width:batch` or the keys one by one describe. Raises `ConfigError`."""
        dtype = read.choice(config, "dtype", DTYPES)
        written = read.get(config, "point") if "point" in config else None
        if written is None:
            depth, width, batch = (read.integer(config, key, 1) for key in SIZES)
            return cls(read.choice(config, "task", TASKS), depth, width, batch, dtype)
        both = [key for key in ("task", *SIZES) if config.get(key) is not None]
        if both:
            raise ConfigError(f"{both[0]}={read.show(config[both[0]])} and point={written}: grid=product has no point")
        task, *rest = str(written).split(":")
        if len(rest) == 4:
            dtype = read.one_of("the type in point", rest.pop(), DTYPES)
        if len(rest) != 3 or not all(size.isdecimal() and int(size) > 0 for size in rest):
            raise ConfigError(f"point={written}: task:depth:width:batch or task:depth:width:batch:dtype was expected")
        depth, width, batch = map(int, rest)
        return cls(read.one_of("the task in point", task, TASKS), depth, width, batch, dtype)

    @property
    def parameters(self) -> int:
        """The size of `w`."""
        return self.depth * self.width * (self.width + 1)

    @property
    def terms(self) -> int:
        """`N + Σ n_i`, for the tolerance."""
        return self.batch + (self.depth + 1) * self.width

    @property
    def least_bytes(self) -> int:
        """Memory that no engine does without: `w`, every `z^i` and its slope, and the result."""
        rows = {"jacobian": self.batch * self.width, "per_sample": self.batch}.get(self.task, 1)
        numbers = (1 + rows) * self.parameters + 2 * (self.depth + 1) * self.batch * self.width
        return numbers * np.dtype(self.dtype).itemsize

    def as_config(self) -> dict[str, Any]:
        """Key by key."""
        return asdict(self)

    def given(self, seed: int) -> Given:
        """The arrays, the same for the same seed."""
        mlp = Mlp(self.depth, self.width, self.batch, n_in=self.width, n_out=self.width, seed=seed)
        net, _, x, y, w = mlp.parts(np.dtype(self.dtype).type)
        return Given([(layer["W"], layer["b"]) for layer in net.unpack(w) if layer], x, y)
