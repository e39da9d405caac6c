"""Branches: layers side by side, whose outputs are concatenated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from prograd import Array, Layer, Parameters, layer, layers_from_config, options
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.operators import Identity, Operator, Stacked
from prograd_layers.chain import Chain, Config, named, split


@dataclass(frozen=True)
class _Branches(Layer):
    """Abstract: a subclass says what each branch is given.

    The parameters are those of the inner layers, named by the positions of the branch and of the layer in it:
    `"0.0.W"`, `"0.0.b"`, `"1.2.W"`, …

    - `branches`: for each branch a list of layers or their configs, or just one of them. An empty list is the identity.
    """

    branches: Sequence[Config | Sequence[Config]]

    def __post_init__(self) -> None:
        given = self.branches
        if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence) or not given:
            raise OptionError(f"{self.name}: branches: expected a list of lists of layers or configs, got {given!r}")
        object.__setattr__(self, "branches", tuple(self._made(k, branch) for k, branch in enumerate(given)))

    def _made(self, k: int, branch: Config | Sequence[Config]) -> tuple[Layer, ...]:
        where = f"{self.name}: branches[{k}]"
        if isinstance(branch, (str, Mapping, Layer)):
            branch = [branch]
        if not isinstance(branch, Sequence):
            raise OptionError(f"{where}: expected a list of layers or configs, got {branch!r}")
        try:
            return tuple(layers_from_config(branch))
        except UnknownNameError as error:
            raise UnknownNameError(f"{where}: {error.kind}", error.unknown, error.known, error.note) from None
        except (OptionError, ShapeError) as error:
            msg = f"{where}: {error}"
            raise type(error)(msg) from error

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The branches."""
        return tuple(Chain(branch) for branch in self.branches if isinstance(branch, tuple))

    @abstractmethod
    def inputs_of(self, n_in: int) -> list[slice]:
        """Which inputs each branch is given. Raises `ShapeError` if there are not as many as it takes."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """Those of all branches. Raises `ShapeError` if one can't take its inputs."""
        n_out = 0
        shapes: dict[str, tuple[int, ...]] = {}
        for k, (chain, at) in enumerate(zip(self.chains, self.inputs_of(n_in), strict=True)):
            n, shapes_k = chain.shapes(f"{self.name}: its branches[{k}]", len(range(n_in)[at]))
            n_out += n
            shapes |= named(k, shapes_k)
        return n_out, shapes

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        w: dict[str, Array] = {}
        for k, (chain, at) in enumerate(zip(self.chains, self.inputs_of(n_in), strict=True)):
            w |= named(k, chain.init(rng, len(range(n_in)[at])))
        return w

    def g(self, w: Parameters, z: Array) -> Array:
        each = zip(self.chains, split(w, len(self.chains)), self.inputs_of(z.shape[-1]), strict=True)
        return np.concatenate([chain.g(w_k, z[:, at]) for chain, w_k, at in each], axis=1)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """Each branch's `A` among rows of zeros; the branches' `B` below one another."""
        inputs = self.inputs_of(z.shape[-1])
        each = zip(self.chains, split(w, len(self.chains)), inputs, strict=True)
        return _stacked([chain.jacobian(w_k, z[:, at]) for chain, w_k, at in each], inputs, z, z_next)

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """Those of the branches, in the same places."""
        inputs, count = self.inputs_of(z.shape[-1]), len(self.chains)
        each = zip(self.chains, split(w, count), split(dw, count), inputs, strict=True)
        moved = [chain.jacobian_along(w_k, z[:, at], dw_k, dz[:, at]) for chain, w_k, dw_k, at in each]
        return _stacked(moved, inputs, z, z_next)


def _stacked(
    blocks: Sequence[tuple[dict[str, Operator], Operator]], inputs: Sequence[slice], z: Array, z_next: Array
) -> tuple[dict[str, Operator], Operator]:
    A: dict[str, Operator] = {}
    start = 0
    for k, (A_k, B_k) in enumerate(blocks):
        rows = Identity(z_next.shape[-1]).part(slice(start, start + B_k.rows))
        A |= named(k, {name: rows @ block for name, block in A_k.items()})
        start += B_k.rows
    return A, Stacked([B_k for _, B_k in blocks], inputs, z.shape[-1])


@dataclass(frozen=True)
class Concat(_Branches):
    """g(w; z) = (h_1(w^1; z); …; h_K(w^K; z)), the outputs of branches that are all given the whole of z.

    Images have their channels concatenated, if all have the same height and width. The parameters are those of the
    inner layers, named by the positions of the branch and of the layer in it: `"0.0.W"`, `"0.0.b"`, `"1.2.W"`, …
    """

    def inputs_of(self, n_in: int) -> list[slice]:
        return [slice(0, n_in)] * len(self.chains)

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int]]:
        """The input beside two layers, with parameters and without; one branch; branches in a branch."""
        yield cls(branches=[[], [layer("affine", width=2), layer("tanh")], layer("softmax")]), 3
        yield cls(branches=[[cls(branches=[[layer("scale_shift")], ["sigmoid"]]), layer("affine", width=2)]]), 2


@dataclass(frozen=True)
class Parallel(_Branches):
    """g(w; z) = (h_1(w^1; z_1); …; h_K(w^K; z_K)) with z = (z_1; …; z_K): each branch is given a part of z.

    The parameters are those of the inner layers, named by the positions of the branch and of the layer in it:
    `"0.0.W"`, `"0.0.b"`, `"1.2.W"`, …

    - `inputs`: the sizes of z_1, …, z_K.
    """

    inputs: Sequence[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        options.integers(self, "inputs", [f"of branch {k}" for k in range(len(self.branches))])

    def inputs_of(self, n_in: int) -> list[slice]:
        if sum(self.inputs) != n_in:
            raise ShapeError(f"{self.name}: expected {sum(self.inputs)} inputs, the sum of {self.inputs}, got {n_in}")
        stops = np.cumsum(self.inputs).tolist()
        return [slice(stop - size, stop) for stop, size in zip(stops, self.inputs, strict=True)]

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int]]:
        """Parts of different sizes, one of which goes through unchanged; one branch."""
        yield cls(branches=[[], [layer("affine", width=3), layer("tanh")], layer("softmax")], inputs=[1, 2, 3]), 6
        yield cls(branches=[layer("scale_shift")], inputs=[2]), 2
