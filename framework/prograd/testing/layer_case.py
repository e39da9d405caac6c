"""A layer with the numbers that its checks share: a point, the blocks there, and reference derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import OptionError, ShapeError, instance_hint
from prograd.layer import Layer, Parameters
from prograd.operators import Operator, as_operator
from prograd.testing.diagnosis import MatrixName, rounding, worst
from prograd.testing.operator_case import SAMPLES, DType, OperatorCase
from prograd.testing.reference import Reference, Rough, differentiate, directions
from prograd.testing.report import CheckError

Subset = np.ndarray[Any, np.dtype[np.intp]]

# Two samples have ordinary inputs. In the other two, activations saturate and clip: each coordinate is large, once with
# either sign.
LARGE: Final = (1.5, 8.0)

# Samples near a kink of `g` are drawn anew. A layer with a kink in every thousandth of its domain meets one a few times
# by chance; a layer that is still rough after this many draws is rough everywhere.
DRAWS: Final = 30

ELSEWHERE: Final = (
    "a layer that is not defined there is checked at inputs of its own: check_layer(layer, n_in, z=…), or examples() "
    "that yields (layer, n_in, z)"
)


class LayerCase:
    """A layer with inputs of size `n_in` at random points where it is smooth, or at the points `z` `(N, n_in)`.

    Raises `OptionError` for what is not a layer, and `ShapeError` for an `n_in` or a `z` that can't be.
    """

    def __init__(self, layer: Layer, n_in: int, *, seed: int = 0, z: ArrayLike | None = None) -> None:
        if not isinstance(layer, Layer):
            raise OptionError(f"check_layer: expected a Layer, got {layer!r}{instance_hint(layer)}")
        if isinstance(n_in, bool) or not isinstance(n_in, (int, np.integer)) or n_in < 1:
            raise ShapeError(f"n_in: expected a positive number of inputs for {layer.name}, got {n_in!r}")
        self.points = None if z is None else np.atleast_2d(as_real(z, "z"))
        if self.points is not None and (self.points.ndim, self.points.shape[-1]) != (2, n_in):
            got = self.points.shape
            raise ShapeError(f"z: expected shape (N, {n_in}) for {layer.name} of {n_in} inputs, got {got}")
        self.layer, self.n_in, self.seed = layer, n_in, seed
        self.subject = f"{layer!r} of {n_in} inputs"
        self.samples = SAMPLES if self.points is None else len(self.points)

    def rng(self, use: int = 0) -> np.random.Generator:
        """Random numbers, the same each time for one use."""
        return np.random.default_rng(self.seed + use)

    def draw(self, rng: np.random.Generator) -> Array:
        """Random inputs `(N, n_in)`, or the points that were given."""
        if self.points is not None:
            return np.array(self.points, dtype=np.float64)
        ordinary = rng.normal(size=(SAMPLES - 2, self.n_in))
        signs = rng.choice([-1.0, 1.0], size=self.n_in) * np.array([[1.0], [-1.0]])
        return np.concatenate([ordinary, signs * rng.uniform(*LARGE, size=(2, self.n_in))])

    def elsewhere(self) -> Array:
        """Other inputs: drawn anew, or the points that were given in another order."""
        return self.draw(self.rng(30)) if self.points is None else self.z[::-1].copy()

    def at(self, z: Array) -> LayerCase:
        """The same layer with the same parameters at other points."""
        return LayerCase(self.layer, self.n_in, seed=self.seed, z=z)

    def g(self, z: Array) -> Array:
        """`g(w, z)` as a copy, whatever the layer does with the array that it returned."""
        return np.array(self.layer.g(self.w, z))

    def products_in(self, kind: DType) -> dict[str, Array]:
        """`J V` `(k, N, n_out)` of each block by its name, computed in `kind`."""
        w, z = Parameters({name: values.astype(kind) for name, values in self.w.items()}), self.z.astype(kind)
        z_next = self.layer.g(w, z)
        found = {}
        for block, operator in named_blocks(*self.layer.jacobian(w, z, z_next)).items():
            V = directions(operator.cols, self.seed).astype(kind)
            found[block] = np.array([operator.jvp(np.tile(v, (self.samples, 1))) for v in V]).reshape(-1, *z_next.shape)
        return found

    @cached_property
    def n_out(self) -> int:
        """The declared number of outputs."""
        return self.layer.shapes(self.n_in)[0]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The declared shapes of the parameters."""
        return dict(self.layer.shapes(self.n_in)[1])

    @cached_property
    def w(self) -> Parameters:
        """The starting values of the layer, moved a little: zeros and ones would hide a missing factor."""
        rng = self.rng(10)
        start: Any = self.layer.init(self.rng(), self.n_in)
        start = start if isinstance(start, Mapping) else {}  # the check of init reports this
        w = {}
        for name, shape in self.shapes.items():
            values = np.asarray(start[name]) if name in start else np.zeros(shape)
            values = values if values.shape == shape and values.dtype.kind in "fiu" else np.zeros(shape)  # this, too
            w[name] = np.asarray(values + 0.3 * rng.normal(size=shape))
        return Parameters(w)

    @cached_property
    def z(self) -> Array:
        """Inputs at which `g` is smooth."""
        return self._smooth[0]

    @cached_property
    def references(self) -> dict[str, Reference]:
        """The reference derivatives by block, from values of `g` alone."""
        return self._smooth[1]

    @cached_property
    def rough(self) -> Rough:
        """Which samples are still near a kink after all draws."""
        return self._smooth[2]

    @cached_property
    def steady(self) -> bool:
        """Whether `g` gives the same numbers twice."""
        z = self.draw(self.rng(20))
        return np.array_equal(self.g(z.copy()), self.g(z.copy()), equal_nan=True)

    @cached_property
    def independent(self) -> bool:
        """Whether `g` treats each sample independently, so that all samples can be moved at once."""
        z_next = self.g(self.z)
        return all(
            worst(self.g(self.z[subset]), z_next[subset], rounding(z_next)[subset]) is None
            for _, subset in subsets(self.samples)
        )

    @cached_property
    def blocks(self) -> dict[str, Operator]:
        """The operators by their names in messages: `A["W"]`, …, `B`."""
        return named_blocks(*self.layer.jacobian(self.w, self.z, self.g(self.z)))

    @cached_property
    def operators(self) -> dict[str, OperatorCase]:
        """A case for the checks of operators from each block."""
        names = {block_name(name): MatrixName(block_name(name), name, shape) for name, shape in self.shapes.items()}
        return {
            block: OperatorCase(
                operator, names.get(block, MatrixName(block)), self.samples, self.seed, self.references[block]
            )
            for block, operator in self.blocks.items()
        }

    @cached_property
    def _smooth(self) -> tuple[Array, dict[str, Reference], Rough]:
        rng = self.rng(20)
        z = self.draw(rng)
        for _ in range(DRAWS):
            references, rough = self._differentiated(z)
            if not rough.any() or self.points is not None or not self.steady:
                break
            z[rough] = self.draw(rng)[rough]
        return z, references, rough

    def _differentiated(self, z: Array) -> tuple[dict[str, Reference], Rough]:
        """Derivatives of `g` at `z` by block, and which samples have one that could not be found."""
        found = {}
        for name, values in self.w.items():

            def of_parameter(x: Array, name: str = name, shape: tuple[int, ...] = values.shape) -> Array:
                return self.layer.g(Parameters({**self.w, name: x.reshape(shape)}), z)

            V = directions(values.size, self.seed)
            found[block_name(name)] = differentiate(of_parameter, values.reshape(1, -1), V, "g")
        V = directions(self.n_in, self.seed)
        found["B"] = differentiate(lambda x: self.layer.g(self.w, x), z, V, "g")
        rough = np.logical_or.reduce([rough for _, rough in found.values()])
        return {block: reference for block, (reference, _) in found.items()}, rough


def block_name(parameter: str) -> str:
    """The name in messages of the block `A` of a parameter."""
    return f'A["{parameter}"]'


def named_blocks(A: Mapping[str, Operator | Array], B: Operator | Array) -> dict[str, Operator]:
    """The blocks by their names in messages. Arrays become operators."""
    return {name: _operator(name, block) for name, block in given_blocks(A, B).items()}


def given_blocks(A: Mapping[str, Operator | Array], B: Operator | Array) -> dict[str, Any]:
    """What the layer gave, by the names of the blocks in messages."""
    return {block_name(name): A_k for name, A_k in A.items()} | {"B": B}


def _operator(name: str, block: Operator | Array) -> Operator:
    if not isinstance(block, (Operator, np.ndarray)):
        raise CheckError(f"{name}: expected an operator or an array, got {type(block).__name__}")
    return as_operator(block)


def subsets(samples: int) -> list[tuple[str, Subset]]:
    """Choices of samples, whose results must be the rows that they choose."""
    alone = [(f"sample {n} alone", np.array([n])) for n in range(samples)]
    if samples == 1:
        return [*alone, ("the sample twice", np.array([0, 0]))]
    return [("permuted samples", np.roll(np.arange(samples), 1)), *alone]
