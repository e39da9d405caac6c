"""Random Fourier features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real

import numpy as np

from prograd import Array, Layer, Parameters
from prograd.errors import OptionError
from prograd.operators import Diagonal, Operator
from prograd_rates.hadamard import SignedHadamard


@dataclass(frozen=True)
class FourierFeatures(Layer):
    """g(z) = √(2/m) cos(omega H z + b), with H made of Hadamard matrices with random signs, and random phases b.

    m is the number of `features`, by default as many as there are inputs. Nothing is learned: `seed` fixes signs and
    phases. In the mean over seeds `⟨g(x), g(y)⟩ = Π_k cos(omega (x_k − y_k))`, which is about
    `exp(−omega² ‖x − y‖² / 2)` for points close to each other. Rahimi and Recht, 2007; Le, Sarlós and Smola, 2013.
    """

    features: int | None = None
    omega: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.features is not None and not _integer(self.features, 1):
            raise OptionError(f"{self.name}: features must be a positive integer or None, not {self.features!r}")
        if isinstance(self.omega, bool) or not isinstance(self.omega, Real) or not 0 < self.omega < math.inf:
            raise OptionError(f"{self.name}: omega must be a finite number greater than 0, not {self.omega!r}")
        if not _integer(self.seed, 0):
            raise OptionError(f"{self.name}: seed must be a non-negative integer, not {self.seed!r}")
        object.__setattr__(self, "omega", float(self.omega))  # numpy's own numbers would make float64 of float32

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """`m` outputs, no parameters."""
        return self.features or n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`√(2/m) cos(a)`, with a the angles."""
        a, _ = self._angles(z)
        return math.sqrt(2 / a.shape[-1]) * np.cos(a)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A` is empty, `B = −√(2/m) omega diag(sin(a)) H`, never multiplied out."""
        a, H = self._angles(z)
        return {}, Diagonal(-math.sqrt(2 / a.shape[-1]) * self.omega * np.sin(a)) @ H

    @classmethod
    def examples(cls) -> Iterator[tuple[FourierFeatures, int]]:
        """One input; sizes that are powers of two and that are not; fewer features than inputs, and many more."""
        yield cls(), 1
        yield cls(), 8
        yield cls(omega=0.3, seed=1), 5
        yield cls(features=3), 6
        yield cls(features=21), 4

    def _angles(self, z: Array) -> tuple[Array, SignedHadamard]:
        n = z.shape[-1]
        m = self.features or n
        signs, phases = _drawn(self.seed, n, m)
        H = SignedHadamard(signs, rows=m, cols=n)
        return self.omega * H.jvp(z) + phases.astype(z.dtype), H


@lru_cache(maxsize=64)
def _drawn(seed: int, n: int, m: int) -> tuple[Array, Array]:
    """The signs `(blocks, p)` and the phases `(m,)`, with p the power of two that n inputs fit in."""
    p = 1 << (n - 1).bit_length()
    rng = np.random.default_rng((seed, n, m))
    signs = rng.choice((-1.0, 1.0), size=(-(-m // p), p))
    phases = rng.uniform(0, 2 * np.pi, size=m)
    signs.flags.writeable = phases.flags.writeable = False  # every layer with this seed and these sizes shares them
    return signs, phases


def _integer(value: object, least: int) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= least
