"""Deep networks that repeat a few layers: their costs, continued from those of shallower ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from prograd.layer import Layer
from prograd.modes.recordable import layer_key
from prograd.network import Network

DEEP: Final = 200  # layers from which a plan looks for repetitions
LONGEST: Final = 16  # layers that are repeated together
STEP: Final = 24  # layers that are repeated more often from one recording to the next
STEPS: Final = range(2, 6)  # of the four recordings; with fewer layers what does not grow may take the most memory


@dataclass(frozen=True)
class Repeated:
    """`before`, then `pattern` several `times`, then `after`."""

    before: tuple[Layer, ...]
    pattern: tuple[Layer, ...]
    times: int
    after: tuple[Layer, ...]
    n_in: int

    def network(self, times: int) -> Network:
        """The network with another number of repetitions."""
        return Network([*self.before, *self.pattern * times, *self.after], self.n_in)

    def shallow(self) -> list[Network]:
        """Networks with fewer repetitions, in equal steps."""
        return [self.network(k * self._step) for k in STEPS]

    def continued(self, values: Sequence[int]) -> int | None:
        """The value that belongs to those of the shallow networks, if these lie on a polynomial of second degree.

        None if they don't, and if that would not be an integer: a pattern with another period was missed then.
        """
        d1, d2, d3 = (int(np.diff(values, k)[-1]) for k in (1, 2, 3))
        t = Fraction(self.times, self._step) - STEPS[-1]
        value = values[-1] + t * d1 + t * (t + 1) / 2 * d2
        return None if d3 or value.denominator > 1 else int(value)

    @property
    def _step(self) -> int:
        return -(-STEP // len(self.pattern))


def repeated(net: Network) -> Repeated | None:
    """The repetitions in a deep network that make up most of it, if there are any."""
    if len(net.layers) < DEEP:
        return None
    known: dict[Hashable, int] = {}
    kinds = np.array(
        [known.setdefault(layer_key(layer, net.n[i], i), len(known)) for i, layer in enumerate(net.layers)]
    )
    for period in range(1, LONGEST + 1):
        start, same = _longest_run(kinds[:-period] == kinds[period:])
        times = (same + period) // period
        if 2 * times * period > len(kinds):
            end = start + times * period
            return Repeated(net.layers[:start], net.layers[start : start + period], times, net.layers[end:], net.n[0])
    return None


def _longest_run(true: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, int]:
    """Where the longest run of true values begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true, [0]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    k = int(np.argmax(stops - starts))
    return int(starts[k]), int(stops[k] - starts[k])
