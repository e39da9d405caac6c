"""A layer with the numbers that its checks share: a point, the blocks there, and reference derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.layer import Layer, Parameters
from prograd.operators import Operator, as_operator
from prograd.operators.dense import OperatorLike
from prograd.testing.diagnosis import Block, worst
from prograd.testing.differences import ABSOLUTE, RELATIVE, derivative, scaled, steps
from prograd.testing.opcase import OperatorCase, Reference, directions
from prograd.testing.report import CheckError

Subset = np.ndarray[Any, np.dtype[np.intp]]

SAMPLES: Final = 4

# Two samples are at ordinary inputs, and two where activations saturate and clip: there each coordinate is large once
# with either sign.
LARGE: Final = (1.5, 8.0)

# Random points at which `g` has a kink nearby are drawn anew. A layer with a kink in every thousandth of its domain is
# met by chance a few times; one that is still rough after so many draws is rough everywhere.
DRAWS: Final = 30


@dataclass
class LayerCase:
    """A layer at a random point where it is smooth, with `SAMPLES` samples."""

    layer: Layer
    n_in: int
    seed: int
    points: Array | None = None

    @property
    def subject(self) -> str:
        """How reports call it."""
        return f"{self.layer!r} of {self.n_in} inputs"

    @property
    def rng(self) -> np.random.Generator:
        """Fresh random numbers, the same for every check."""
        return np.random.default_rng(self.seed)

    @cached_property
    def declared(self) -> tuple[int, dict[str, tuple[int, ...]]]:
        """`n_out` and the parameters' shapes."""
        n_out, shapes = self.layer.shapes(self.n_in)
        return n_out, dict(shapes)

    @property
    def n_out(self) -> int:
        """The declared size of the output."""
        return self.declared[0]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The declared shapes of the parameters."""
        return self.declared[1]

    @cached_property
    def samples(self) -> int:
        """N."""
        return SAMPLES if self.points is None else len(self.points)

    def draw(self, rng: np.random.Generator) -> Array:
        """Random inputs `(N, n_in)`, or the points that were given."""
        if self.points is not None:
            return np.array(self.points, dtype=np.float64)
        ordinary = rng.normal(size=(SAMPLES - 2, self.n_in))
        signs = rng.choice([-1.0, 1.0], size=self.n_in) * np.array([[1.0], [-1.0]])
        return np.concatenate([ordinary, signs * rng.uniform(*LARGE, size=(2, self.n_in))])

    @property
    def elsewhere(self) -> Array:
        """Other inputs: drawn anew, or the given ones in another order."""
        return self.draw(np.random.default_rng(self.seed + 30)) if self.points is None else self.z[::-1].copy()

    @cached_property
    def w(self) -> Parameters:
        """The layer's own starting values, moved a little: zeros and ones would hide a missing factor."""
        rng = np.random.default_rng(self.seed + 10)
        start = self.layer.init(np.random.default_rng(self.seed), self.n_in)
        w = {}
        for name, shape in self.shapes.items():
            values = np.asarray(start[name]) if name in start else np.zeros(shape)
            values = values if values.shape == shape else np.zeros(shape)  # the check of init reports this
            w[name] = np.asarray(values + 0.3 * rng.normal(size=shape))
        return Parameters(w)

    @cached_property
    def z(self) -> Array:
        """Inputs at which `g` is smooth."""
        return self._smooth[0]

    def g(self, z: Array) -> Array:
        """`g(w, z)` in memory of its own, whatever the layer does with the array that it gave."""
        return np.array(self.layer.g(self.w, z))

    @cached_property
    def z_next(self) -> Array:
        """`g(w, z)` at the point."""
        return self.g(self.z)

    @cached_property
    def blocks(self) -> dict[str, Operator]:
        """The operators by the name that messages use: `A["W"]`, …, `B`."""
        A, B = self.layer.jacobian(self.w, self.z, self.g(self.z))
        return named_blocks(A, B)

    @property
    def rough(self) -> Array:
        """Which samples are still near a kink after all draws."""
        return self._smooth[1]

    @property
    def references(self) -> dict[str, Reference]:
        """The reference derivatives by block, from values of `g` alone."""
        return self._smooth[2]

    @cached_property
    def independent(self) -> bool:
        """Whether `g` takes each sample for itself, so that all can be moved at once."""
        return all(
            worst(self.g(self.z[subset]), self.z_next[subset], rounding(self.z_next)) is None
            for _, subset in subsets(self.samples)
        )

    @cached_property
    def operators(self) -> dict[str, OperatorCase]:
        """Each block as a case for the checks of operators."""
        return {name: self._operator_case(name, operator) for name, operator in self.blocks.items()}

    def _operator_case(self, name: str, operator: Operator) -> OperatorCase:
        parameter = name[3:-2]
        block = Block(name, parameter, self.shapes.get(parameter, ())) if name != "B" else Block(name)
        return OperatorCase(operator, block, self.samples, self.seed, self.references[name])

    @cached_property
    def _smooth(self) -> tuple[Array, Array, dict[str, Reference]]:
        rng = np.random.default_rng(self.seed + 20)
        z = self.draw(rng)
        rough = np.ones(len(z), bool)
        for _ in range(DRAWS):
            references, rough = self._reference(z)
            if not rough.any() or self.points is not None:
                break
            z[rough] = self.draw(rng)[rough]
        return z, rough, references

    def _reference(self, z: Array) -> tuple[dict[str, Reference], Array]:
        """Derivatives at `z` by block, and which samples have one that could not be found."""
        references = {}
        rough = np.zeros(len(z), bool)
        size = np.abs(self.g(z)).max(axis=1, initial=1)
        for name in [*(f'A["{parameter}"]' for parameter in self.shapes), "B"]:
            values, errors = self._by_input(z) if name == "B" else self._by_parameter(z, name[3:-2])
            largest = np.abs(values).max(axis=(0, 2), initial=0)
            tolerance = RELATIVE * largest + ABSOLUTE * size
            references[name] = Reference(values, tolerance, "finite differences of g")
            rough |= ~(errors.max(axis=(0, 2), initial=0) <= 0.1 * tolerance)
        return references, rough

    def _by_input(self, z: Array) -> tuple[Array, Array]:
        found: list[tuple[Array, Array]] = []
        for v in directions(self.n_in, self.seed):
            scale, v_scaled = scaled(steps(z), v)
            value, error = derivative(lambda t, v=v_scaled: self.g(z + t * v))  # type: ignore[misc]
            found.append((value / scale[:, None], error / scale[:, None]))
        return _stacked(found, len(z), self.n_out)

    def _by_parameter(self, z: Array, name: str) -> tuple[Array, Array]:
        at = self.w[name]
        found: list[tuple[Array, Array]] = []
        for v in directions(at.size, self.seed):
            scale, v_scaled = scaled(steps(at.reshape(1, -1)), v)
            moved = v_scaled.reshape(at.shape)

            def along(t: float, moved: Array = moved) -> Array:
                return np.array(self.layer.g(Parameters({**self.w, name: np.asarray(at + t * moved)}), z))

            value, error = derivative(along)
            found.append((value / scale[0], error / scale[0]))
        return _stacked(found, len(z), self.n_out)


def rounding(a: Array) -> float:
    """Rounding errors of sums in another order, which BLAS may choose by the layout of the arrays.

    Where terms of size 1 cancel, 1e-16 of each is left.
    """
    return 1e-10 * max(float(np.abs(a).max(initial=0)), 1e-3)


def subsets(samples: int) -> list[tuple[str, Subset]]:
    """Choices of samples that must give the rows they choose."""
    alone = [(f"sample {n} alone", np.array([n])) for n in range(samples)]
    if samples == 1:
        return [*alone, ("the sample twice", np.array([0, 0]))]
    return [("permuted samples", np.roll(np.arange(samples), 1)), *alone]


def named_blocks(A: Mapping[str, OperatorLike], B: OperatorLike) -> dict[str, Operator]:
    """The blocks by the name that messages use; arrays become operators."""
    return {f'A["{name}"]': _operator(A_k) for name, A_k in A.items()} | {"B": _operator(B)}


def _operator(block: OperatorLike) -> Operator:
    if isinstance(block, Operator):
        return block
    if isinstance(block, np.ndarray):
        return as_operator(block)
    raise CheckError(f"jacobian must give operators or arrays, got {type(block).__name__}")


def _stacked(found: list[tuple[Array, Array]], samples: int, n_out: int) -> tuple[Array, Array]:
    if not found:
        return np.zeros((0, samples, n_out)), np.zeros((0, samples, n_out))
    values, errors = zip(*found, strict=True)
    return np.stack(values), np.stack(errors)
