"""The workload of a point: a task on a square tanh network of some depth and width, on some samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from prograd_benchmarks.problems import Mlp
from prograd_experiments import config as read
from prograd_experiments.config import Config
from prograd_experiments.peers.engines.base import TASKS, Given
from prograd_experiments.rows import Row

SIZES = ("depth", "width", "batch")
DTYPES = ("float64", "float32")
TASK_WORDS = {
    "reverse": "gradient in reverse mode",
    "forward": "gradient in forward mode",
    "jacobian": "Jacobian of the network",
    "per_sample": "gradient of each sample",
    "clipped": "mean of clipped gradients",
    "last": "gradient by the last layer",
    "hessian": "product with the Hessian",
}


@dataclass(frozen=True)
class Workload:
    """What is computed, on how many affine layers, of which width, on how many samples, in which type."""

    task: str
    depth: int
    width: int
    batch: int
    dtype: str

    @classmethod
    def of(cls, config: Config) -> Workload:
        """The workload of `point=task:depth:width:batch[:dtype]`, or of the keys one by one. Raises `ConfigError`."""
        dtype = read.choice(config, "dtype", DTYPES)
        written = config.get("point")
        if written is None:
            depth, width, batch = (read.integer(config, key, 1) for key in SIZES)
            return cls(read.choice(config, "task", TASKS), depth, width, batch, dtype)
        for key in ("task", *SIZES):
            if config.get(key) is not None:
                raise read.refused(key, f"null with point={written}", config[key], "grid=product has no point")
        task, *rest = str(written).split(":")
        if len(rest) == 4:
            dtype = read.one_of("the type in point", rest.pop(), DTYPES)
        if len(rest) != 3 or not all(size.isdecimal() and int(size) > 0 for size in rest):
            raise read.refused("point", "task:depth:width:batch or task:depth:width:batch:dtype", written)
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
        """The memory that every engine needs: `w`, each `z^i` and its slope, and the result."""
        rows = {"jacobian": self.batch * self.width, "per_sample": self.batch}.get(self.task, 1)
        numbers = (1 + rows) * self.parameters + 2 * (self.depth + 1) * self.batch * self.width
        return numbers * np.dtype(self.dtype).itemsize

    def as_config(self) -> dict[str, Any]:
        """The keys one by one."""
        return asdict(self)

    def given(self, seed: int) -> Given:
        """The arrays, the same for the same seed."""
        mlp = Mlp(self.depth, self.width, self.batch, n_in=self.width, n_out=self.width, seed=seed)
        net, _, x, y, w = mlp.parts(np.dtype(self.dtype).type)
        return Given([(layer["W"], layer["b"]) for layer in net.unpack(w) if layer], x, y)


def label(row: Row) -> str:
    """`depth:width:batch`, followed by the type unless it is float64."""
    sizes = ":".join(str(row[key]) for key in SIZES)
    return sizes if row["dtype"] == "float64" else f"{sizes} {row['dtype']}"
