"""What a computation costs: its steps, each so many multiply-adds and bytes, and the most memory held at one time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["product", "sparse", "columns", "copy", "write", "transpose", "function", "layer", "merge"]
"""`product` with an operator, `sparse` with a sparse one, `columns`: those of an operator written down, `copy`: numbers
copied in their order, `write`: products or copies that go into rows of a Jacobian, `transpose`: into its columns,
`function`: of each number, such as a tanh; beside all arithmetic, `layer`: calling one, and `merge`: merging some."""


class Step(NamedTuple):
    """`calls` equal calls, with the multiply-adds and the bytes read or written of all of them together.

    `depth` is the number of multiply-adds for each number read or written, which a matrix product has many of. `rules`
    is how often a product of operators is carried out.
    """

    kind: Kind
    calls: int
    multiply_adds: int
    moved: int
    depth: float = 1.0
    threads: int = 1
    rules: int = 0


@dataclass(frozen=True)
class Cost:
    """What a computation costs: `steps` are the products with blocks, `around` is what stands around them."""

    steps: tuple[Step, ...]
    around: tuple[Step, ...]
    peak_bytes: int
    item: int

    @property
    def multiply_adds(self) -> int:
        """Of all products with blocks, over all samples."""
        return sum(step.multiply_adds for step in self.steps)

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written, each time they are."""
        return sum(step.moved for step in (*self.steps, *self.around))


@dataclass
class Ledger:
    """Steps are put down in their order, and so is the memory that they take and give back."""

    item: int
    steps: list[Step] = field(default_factory=list)
    around: list[Step] = field(default_factory=list)
    held: int = 0
    peak: int = 0

    def hold(self, size: int) -> None:
        """So many bytes more (or fewer) from now on."""
        self.held += size
        self.peak = max(self.peak, self.held)

    def touch(self, size: int) -> None:
        """So many bytes more for a moment."""
        self.peak = max(self.peak, self.held + size)

    def cost(self) -> Cost:
        """What has been put down."""
        return Cost(tuple(self.steps), tuple(self.around), self.peak, self.item)
