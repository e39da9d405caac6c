"""Random Fourier features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from prograd import Array, Layer, Parameters, options
from prograd.operators import Diagonal, Operator
from prograd_rates.hadamard import SignedHadamard


@dataclass(frozen=True)
class FourierFeatures(Layer):
    """g(z) = √(2/m) cos(omega H z + b), with H made of Hadamard matrices and random signs, and random phases b.

    Nothing is learned. The mean of `⟨g(x), g(y)⟩` over seeds is `Π_k cos(omega (x_k − y_k))`, which for points close to
    each other is about `exp(−omega² ‖x − y‖² / 2)`. Rahimi and Recht, 2007; Le, Sarlós and Smola, 2013.

    - `features`: the number m of outputs; None takes the number of inputs.
    - `omega`: the scale of the frequencies, greater than 0.
    - `seed`: of signs and phases.
    """

    features: int | None = None
    omega: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.features is not None:
            options.integer(self, "features")
        options.real(self, "omega", above=0)
        options.integer(self, "seed", least=0)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self.features or n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`√(2/m) cos(a)` with `a = omega H z + b`."""
        a, _ = self._angles(z)
        return math.sqrt(2 / a.shape[-1]) * np.cos(a)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B = −√(2/m) omega diag(sin(a)) H`, never multiplied out."""
        a, H = self._angles(z)
        return {}, Diagonal(-math.sqrt(2 / a.shape[-1]) * self.omega * np.sin(a)) @ H

    @classmethod
    def examples(cls) -> Iterator[tuple[FourierFeatures, int]]:
        """One input; a size that is a power of two and one that is not; fewer features than inputs, and many more."""
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
    """The signs `(blocks, p)` and the phases `(m,)`, with p the least power of two that is at least n."""
    p = 1 << (n - 1).bit_length()
    rng = np.random.default_rng((seed, n, m))
    signs = rng.choice((-1.0, 1.0), size=(-(-m // p), p))
    phases = rng.uniform(0, 2 * np.pi, size=m)
    signs.flags.writeable = phases.flags.writeable = False  # every layer with this seed and these sizes shares them
    return signs, phases
