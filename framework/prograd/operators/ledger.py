"""A ledger of what a computation costs: its steps with their multiply-adds and bytes, and the most memory held at once.

Operators write down what their products cost (`charge_…` in `costs.py`), the modes write down the rest.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from prograd.operators.costs import OperatorCosts

Kind: TypeAlias = Literal["product", "sparse", "columns", "copy", "write", "transpose", "function", "layer", "merge"]
"""`product` with an operator, `sparse` with a sparse one, `columns` of an operator written out, `copy` of numbers in
their order, `write`: products or copies into rows of a Jacobian, `transpose`: into its columns, `function` of each
number, such as tanh; apart from arithmetic, `layer`: the calls of one, and `merge` of layers in a bracketing."""


class Vectors(NamedTuple):
    """The vectors of a product: `many` for each of `samples` samples, which is 1 where all samples share them."""

    many: int
    samples: int

    @property
    def all(self) -> int:
        """The vectors of all samples."""
        return self.many * self.samples


class Step(NamedTuple):
    """`calls` equal calls, with the multiply-adds and the bytes read or written of all of them together.

    `depth` is the number of multiply-adds for each number read or written, which is large for products of matrices.
    `rules` counts how often a product of operators is carried out.
    """

    kind: Kind
    calls: int
    multiply_adds: int
    moved: int
    depth: float = 1.0
    rules: int = 0


@dataclass(frozen=True)
class Cost:
    """What a computation costs: `steps` are the products with blocks, `around` is everything else."""

    steps: tuple[Step, ...]
    around: tuple[Step, ...]
    peak_bytes: int
    item: int

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all products with blocks, over all samples."""
        return sum(step.multiply_adds for step in self.steps)

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written, counted each time."""
        return sum(step.moved for step in (*self.steps, *self.around))


@dataclass
class Ledger:
    """Steps in their order, and the memory that they take and give back.

    A stack of operators counts for all `samples`, though it may have been made for fewer, `seen` of them. `item` is the
    size of a number in bytes.
    """

    samples: int
    seen: int
    item: int = 8
    steps: list[Step] = field(default_factory=list)
    around: list[Step] = field(default_factory=list)
    held: int = 0
    peak: int = 0

    def hold(self, size: int) -> None:
        """Holds `size` bytes more (or fewer) from now on."""
        self.held += size
        self.peak = max(self.peak, self.held)

    def touch(self, size: int) -> None:
        """Holds `size` bytes more for a moment."""
        self.peak = max(self.peak, self.held + size)

    def stack(self, operator: OperatorCosts) -> int:
        """How many maps the operator is: N, or 1 for one that all samples share."""
        return self.samples if operator.samples > 1 else 1

    def through(self, operator: OperatorCosts, v: Vectors) -> Vectors:
        """`v` after a product with the operator: a stack makes one vector for each sample of one for all."""
        return v._replace(samples=max(v.samples, self.stack(operator)))

    def numbers(self, array: np.ndarray[Any, Any], rows: int) -> int:
        """The size of an array for `rows` samples; that of a stack was made for as many samples as were seen."""
        return self._numbers(array.size, len(array) if array.ndim > 1 else 1, rows)

    def bytes(self, arrays: Iterable[np.ndarray[Any, Any]], rows: int) -> int:
        """Bytes of arrays for `rows` samples."""
        return sum(self.numbers(array, rows) * array.itemsize for array in arrays)

    def read(self, operator: OperatorCosts, rows: int) -> int:
        """Bytes of an operator's arrays for `rows` samples."""
        return sum(self._numbers(size, stack, rows) * item for size, item, stack in operator.array_sizes)

    def _numbers(self, size: int, stack: int, rows: int) -> int:
        return size // self.seen * rows if stack == self.seen > 1 else size

    def matrices(self, seen: int, rows: int, cols: int, size: int) -> np.ndarray[Any, Any]:
        """An array `(seen, rows, cols)` without numbers, which counts as `size` bytes for as long as it lives."""
        a = np.ndarray((seen, rows, cols), f"f{self.item}", buffer=_ZERO, strides=(0, 0, 0))
        self.hold(size)
        weakref.finalize(a, self.hold, -size)
        return a

    def work(self, rows: int, calls: int = 1) -> Work:
        """Products in `calls` equal calls, each with vectors of `rows` samples."""
        return Work(self, rows, calls)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all products with blocks so far."""
        return sum(step.multiply_adds for step in self.steps)

    def cost(self) -> Cost:
        """What has been written down."""
        return Cost(tuple(self.steps), tuple(self.around), self.peak, self.item)


_ZERO: Final = bytes(8)


@dataclass(frozen=True)
class Work:
    """Where operators write down their products: in `calls` equal calls.

    A call multiplies vectors of `rows` samples: the operators' arrays for these are read each time.
    """

    ledger: Ledger
    rows: int
    calls: int

    def product(
        self, operator: OperatorCosts, v: Vectors, numbers: int, *, written: int = 0, depth: float | None = None
    ) -> None:
        """A product with one operator that reads and writes `numbers` numbers for each vector, and `written` more."""
        vectors = self.ledger.through(operator, v).all
        numbers = operator.passes * vectors * numbers + 2 * operator.scratch(vectors) + written
        moved = self.ledger.item * numbers + self.calls * self.ledger.read(operator, self.rows)
        depth = operator.depth() if depth is None else depth
        self.step(operator.kind, multiply_adds=vectors * operator.edges, moved=moved, depth=depth)

    def columns(self, operator: OperatorCosts, v: Vectors) -> None:
        """Columns of an operator, written out for each of their samples."""
        multiply_adds = v.many * self.ledger.stack(operator) * operator.column_edges
        moved = v.all * operator.rows * self.ledger.item
        self.step("columns", multiply_adds=multiply_adds, moved=moved)

    def copy(self, numbers: int) -> None:
        """`numbers` numbers read or written in their order."""
        self.step("copy", moved=numbers * self.ledger.item)

    def write(self, q: Vectors, cols: int, multiply_adds: int = 0) -> None:
        """Rows of a Jacobian, of `cols` numbers for each of the samples."""
        moved = self.ledger.samples * q.many * cols * self.ledger.item
        self.step("write", multiply_adds=multiply_adds, moved=moved)

    def step(self, kind: Kind, *, multiply_adds: int = 0, moved: int = 0, depth: float = 1.0) -> None:
        """Any other step."""
        self.ledger.steps.append(Step(kind, self.calls, multiply_adds, moved, depth))
