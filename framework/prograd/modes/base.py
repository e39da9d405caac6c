"""What a mode is: an order in which the blocks of a network are multiplied."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from prograd import recursions
from prograd.arrays import Array
from prograd.blocks import Block, Blocks
from prograd.bracketing.words import Letters
from prograd.chosen import Names, first_of
from prograd.errors import OptionError
from prograd.layer import Parameters
from prograd.linearization import Linearization
from prograd.loss import Loss
from prograd.network import Network
from prograd.operators import Operator

Outputs: TypeAlias = Literal["gradient", "jacobian", "per_sample_norms", "clipped_gradient", "hessian_vector"]
OUTPUTS: Final[tuple[Outputs, ...]] = get_args(Outputs)

SHARES: Final = (1, 2, 4, 8, 16, 64, 256)  # of a limit, for what the mode itself holds


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An objective at a point `w`: what a mode needs to compute its gradient.

    `parameters` are views into `w`, layer by layer; `x`, `y` and `c` are the samples, their labels and their weights,
    `(N,)`, in its dtype.
    """

    net: Network
    loss: Loss
    w: Array
    parameters: list[Parameters]
    x: Array
    y: Array
    c: Array | None = None

    @property
    def samples(self) -> int:
        """N."""
        return len(self.x)

    def linearize(self, rows: slice = slice(None)) -> tuple[list[Array], Blocks]:
        """The forward pass of some samples."""
        return recursions.linearize(self.net.layers, self.parameters, self.x[rows], self.net.chosen)

    def only(self, chosen: Names | None, *, cut: bool) -> Evaluation:
        """The objective as a function of the chosen parameters, by layer; None is all of them.

        `cut` evaluates the layers before the first of these at once, and leaves them out.
        """
        if chosen is None:
            return self
        first = first_of(chosen) if cut else 0
        x = recursions.output(self.net.layers[:first], self.parameters, self.x)
        return replace(self, net=self.net.part(chosen, first), parameters=self.parameters[first:], x=x)

    def linearization(self) -> Linearization:
        """The forward pass of all samples, with blocks that are kept."""
        z, blocks = self.linearize()
        return Linearization(list(blocks), self.net.spans, self.samples, self.w.dtype, z)

    def close(self, z: Array, rows: slice = slice(None)) -> tuple[Array, Array]:
        """The sum of the losses of some samples at outputs `z`, and `q^{L+1} = c ∇ℓ / N`."""
        total, q = self.losses(z, rows)
        return total, q / self.samples

    def losses(self, z: Array, rows: slice = slice(None)) -> tuple[Array, Array]:
        """The sum of `c ℓ` over some samples at `z`, NaN where a gradient is not finite, and `c ∇ℓ` of each."""
        values, q = self.loss.value_and_gradient(z, self.y[rows])
        values, q = self.weighted(values, rows), self.weighted(q, rows)
        finite = np.isfinite(np.add.reduce(q, axis=None))
        return np.where(finite, np.add.reduce(values), np.nan), q

    def weighted(self, a: Array, rows: slice = slice(None)) -> Array:
        """Numbers `(N,)` or vectors `(…, N, n)` of some samples times their weights."""
        if self.c is None:
            return a
        c = self.c[rows]
        return a * (c if a.ndim == 1 else c[:, None])


class Left(NamedTuple):
    """`P = (P_j | … | P_k)`: the left factors of `A_j … A_k` in `J`, side by side, newest layer first."""

    P: Operator
    layers: tuple[int, ...]


class Mode(ABC):
    """An order of multiplication. Meant to be subclassed, one mode to a file.

    A mode computes a gradient and a Jacobian, and writes the order down with brackets. What it costs is found by
    recording it (see `prograd.planning`).
    `mode=` takes the name of a listed mode or an object of such a class.
    """

    name: ClassVar[str]
    longest: ClassVar[float] = inf
    """The number of layers up to which "auto" and `prograd.plan` consider the mode."""
    lazy: ClassVar[bool] = False
    """Whether the mode can leave a Jacobian as products of operators, by `left_factors`."""

    @abstractmethod
    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> Array:
        """Writes `∇f` to `p`, `(size,)`; returns the sum of the samples' losses, a number or an array without axes.

        Raises `OptionError` where that does not fit into `max_bytes`.
        """

    @abstractmethod
    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        """Writes the Jacobian to `J`, `(N, n_{L+1}, size)`. Raises `OptionError` where `max_bytes` is too small."""

    def per_sample_norms(self, at: Evaluation, norms: Array, max_bytes: int | None) -> Array:
        """Writes `‖∇f_{x_n,y_n}(w)‖` of each sample to `norms`, `(N,)`; returns the sum of the losses.

        Optional, as is `clipped_gradient`: raises `OptionError` for a mode that has none.
        """
        raise OptionError(f"per_sample_norms: expected a mode that has them (reverse), got {self.name}")

    def clipped_gradient(self, at: Evaluation, limit: Array, p: Array, max_bytes: int | None) -> Array:
        """Writes `(1/N) Σ_n min(1, limit/‖∇_n‖) ∇_n` to `p`, `(size,)`; returns the sum of the losses.

        `∇_n` is the gradient of sample n, and `limit` has one number, `(1,)`.
        """
        raise OptionError(f"clipped_gradient: expected a mode that has it (reverse), got {self.name}")

    def hessian_vector(self, at: Evaluation, v: Array, p: Array) -> Array:
        """Writes `∇²f(w) v` to `p`, `(size,)`; returns the sum of the losses. Optional, as `per_sample_norms` is."""
        raise OptionError(f"hessian_vector: expected a mode that has it (reverse), got {self.name}")

    def room(self, peak: Callable[[int | None], float], outputs: Outputs, max_bytes: int) -> int | None:
        """What to give the mode as `max_bytes`, so that all that a call allocates takes no more than `max_bytes`.

        `peak` says how much it allocates, given that. Raises `OptionError` that says how many bytes it takes at least.
        """
        if peak(None) <= max_bytes:
            return None
        least = inf
        for share in SHARES:
            given = max(max_bytes // share, 1)
            try:
                needed = peak(given)
            except OptionError:
                if least == inf:
                    raise
                break  # less is too little for one column or one sample
            if needed <= max_bytes:
                return given
            least = min(least, needed)
        raise OptionError(f"max_bytes: expected at least {math.ceil(least)} for {self.name} mode, got {max_bytes}")

    @abstractmethod
    def order(self, lin: Callable[[], Linearization], letters: Letters, max_bytes: int | None) -> str:
        """The products with their brackets, such as `(A_3 | (B_3 A_2))`; the blocks of `lin()` may hold no numbers."""

    def left_factors(self, blocks: Sequence[Block]) -> list[Left]:
        """The left factors of `J` as operators, multiplied in the mode's order; for modes that are `lazy`."""
        raise NotImplementedError(self.name)

    def __repr__(self) -> str:
        return f"<mode {self.name}>"
