"""What the catalogue tells of layers and losses, ours and others'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd import Elementwise, Layer, Loss, catalogue
from prograd.catalogue import REQUIRED, Entry
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.plugins.loading import Plugin
from prograd.plugins.registry import Registry
from prograd.testing import counted
from tests.helpers.plugins import first_party

OURS = prograd.plugins.registry.assemble(first_party())
FORMULAS = {"layer": ("g(", "φ(z) = "), "loss": "ℓ_y(z) = ", "penalty": "ρ(w) = "}
NAMES = [pytest.param(kind, name, id=name) for kind, name in catalogue.known(OURS)]


@dataclass(frozen=True)
class Documented(Elementwise):
    """φ(z) = gain·z, line by line.

    A note on it.

    - `gain`: what z is multiplied by,
      told in two lines.
    - `unknown`: no option of this name.

    Another note.
    """

    gain: float = 2.0
    steps: list[int] = field(default_factory=lambda: [1, 2])

    def phi(self, z):
        return self.gain * z

    def dphi(self, z, z_next):
        return 0 * z + self.gain


class Heir(Documented):
    """φ(z) = gain·z, as well."""


@dataclass(frozen=True)
class Silent(Layer):
    width: int

    def shapes(self, n_in):
        return self.width, {}

    def g(self, w, z):
        return z[:, : self.width]

    def jacobian(self, w, z, z_next):
        return {}, np.eye(self.width, z.shape[1])


class Plain(Loss):
    """ℓ_y(z) = 0."""

    def value(self, z, y):
        return 0 * z[:, 0]

    def gradient(self, z, y):
        return 0 * z


def registry_of(**classes: type[Layer | Loss]) -> Registry:
    layers: dict[str, Any] = {name: cls for name, cls in classes.items() if issubclass(cls, Layer)}
    losses: dict[str, Any] = {name: cls for name, cls in classes.items() if issubclass(cls, Loss)}
    return Registry(layers, losses, (Plugin("waves", "acme-waves", "1.2", layers, losses),), ())


def only(**classes: type[Layer | Loss]) -> Entry:
    (found,) = catalogue.entries(registry_of(**classes))
    return found


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_each_of_ours_tells_its_formula_and_what_its_options_mean(kind, name) -> None:
    found = catalogue.entry(OURS, kind, name)
    assert found.formula.startswith(FORMULAS[kind])
    assert " = " in found.formula
    assert found.problem == ""
    assert found.recordable == "yes"
    assert [option.name for option in found.options if not option.meaning.endswith(".")] == []
    assert all(found.domain.values())
    assert set(found.domain) == ({"z", "y"} if kind == "loss" else set())
    known = {option.name for option in found.options} | set(found.domain)
    cls = OURS.kinds[kind][name]
    assert set(catalogue.told(cls)[2]) == known
    assert catalogue.untold(cls) == []


@pytest.mark.parametrize("name", OURS.layers)
def test_costs_are_those_that_the_operators_count(name) -> None:
    found = catalogue.entry(OURS, "layer", name)
    layer, n_in = next(one for one in OURS.layers[name].examples() if one[1] == found.example.n_in)
    net = prograd.Network([layer], n_in)
    ((A, B),) = prograd.linearize(net, net.init(0), np.random.default_rng(0).normal(size=(2, n_in))).blocks
    blocks = [B, *A.values()]
    with counted() as forward:
        for block in blocks:
            block.jvp(np.ones((2, block.cols)))
    with counted() as reverse:
        for block in blocks:
            block.vjp(np.ones((2, block.rows)))
    assert (found.example.forward, found.example.reverse) == (forward.multiply_adds / 2, reverse.multiply_adds / 2)


def test_an_affine_layer() -> None:
    (found,) = catalogue.find(OURS, "affine", {"width": 32}, 64)
    assert found.example.parameters == {"W": (32, 64), "b": (32,)}
    assert [(block.name, block.structure, block.shared) for block in found.example.blocks] == [
        ("B", "Dense", True),
        ("A[W]", "Kronecker", False),
        ("A[b]", "Identity", True),
    ]
    assert found.example.forward == found.example.reverse == 2 * 32 * 64
    assert [(o.name, o.type, o.default) for o in found.options] == [
        ("width", "int", REQUIRED),
        ("bias", "bool", "True"),
    ]
    assert (found.source.distribution, found.source.module) == ("prograd", "prograd_layers.affine")
    assert found.source.file.endswith("affine.py")
    lines = Path(found.source.file).read_text("utf-8").splitlines()
    assert "class Affine(Layer):" in lines[found.source.line - 1 : found.source.line + 1]
    assert found.as_json()["forward"] == 2 * 32 * 64


def test_options_and_inputs_apart() -> None:
    (wide,) = catalogue.find(OURS, "affine", {"width": 7})
    assert (wide.example.n_in, wide.example.n_out) == (5, 7)
    (long,) = catalogue.find(OURS, "tanh", n_in=9)
    assert long.example.forward == 9
    with pytest.raises(OptionError, match="unknown option 'widht'"):
        catalogue.find(OURS, "affine", {"widht": 7})
    with pytest.raises(ShapeError, match="can't take 5 inputs"):
        catalogue.find(OURS, "max_pool2d", n_in=5)
    with pytest.raises(
        UnknownNameError, match="layer, loss or penalty: expected a known name, got 'afine'; did you mean 'affine'"
    ):
        catalogue.find(OURS, "afine")


def test_products_and_sums_tell_their_parts() -> None:
    assert catalogue.entry(OURS, "layer", "residual").structure == "Identity + Dense @ Diagonal @ Dense"
    D, S = prograd.operators.Dense(np.eye(2)), prograd.operators.Sum(*[prograd.operators.Dense(np.eye(2))] * 2)
    assert catalogue.structure(prograd.operators.Product(D, S)) == "Dense @ (Dense + Dense)"


def test_a_structure_has_its_layers_and_losses() -> None:
    found = [one.name for one in catalogue.of_structure(OURS, "diagonal")]
    assert {"tanh", "scale_shift", "logistic", "cross_entropy"} <= set(found)
    assert not {"affine", "softmax", "squared_error", "residual"} & set(found)
    assert [one.name for one in catalogue.of_structure(OURS, "diagonal plus low_rank")] == [
        "layer_norm",
        "softmax",
        "softmax_cross_entropy",
    ]
    with pytest.raises(
        UnknownNameError, match="structure: expected a known name, got 'diagnal'; did you mean 'Diagonal'"
    ):
        catalogue.of_structure(OURS, "diagnal")


def test_losses() -> None:
    hinge, squared = (catalogue.entry(OURS, "loss", name) for name in ("hinge", "squared_error"))
    assert (hinge.checked, squared.checked) == (True, False)
    assert (hinge.structure, squared.structure) == ("Zero", "Identity")
    assert hinge.domain == {"z": "scores, any real numbers.", "y": "one-hot, of at least two classes."}
    plain = only(plain=Plain)
    assert (plain.structure, plain.problem, plain.example.blocks) == ("", "", ())
    assert plain.domain == {"z": "", "y": ""}


def test_a_docstring_and_its_parts() -> None:
    found = only(documented=Documented)
    assert found.formula == "φ(z) = gain·z, line by line."
    assert found.notes == "A note on it.\n\n\nAnother note."
    gain, steps = found.options
    assert (gain.default, gain.meaning) == ("2.0", "what z is multiplied by, told in two lines.")
    assert (steps.default, steps.meaning) == ("[1, 2]", "")
    assert found.source.distribution == "acme-waves"
    heir = only(heir=Heir)
    assert heir.formula == "φ(z) = gain·z, as well."
    assert heir.options[0].meaning == gain.meaning


def test_what_tells_nothing_of_itself_is_in_the_catalogue_too() -> None:
    found = only(silent=Silent)
    assert (found.formula, found.notes, found.structure) == ("", "", "")
    assert found.example is None
    assert found.problem.startswith("Silent: expected its own examples()")
    assert catalogue.untold(Silent) == ["the formula", "width"]
    assert catalogue.untold(Plain) == ["z", "y"]
    assert [option.name for option in found.options] == ["width"]


class Logarithm(Elementwise):
    """φ(z) = log(z), which asks for z > 0."""

    def phi(self, z):
        if not (z > 0).all():
            raise ValueError("z")
        return np.log(z)

    def dphi(self, z, z_next):
        return 1 / z

    @classmethod
    def examples(cls):
        yield cls(), 3, np.array([[1.0, 2.0, 3.0]])


def test_an_example_may_have_points_of_its_own() -> None:
    found = only(logarithm=Logarithm)
    assert (found.problem, found.structure, found.example.n_in) == ("", "Diagonal", 3)


def test_an_example_that_fails_is_a_problem_not_an_error() -> None:
    class Failing(Documented):
        @classmethod
        def examples(cls) -> Iterator[tuple[Failing, int]]:
            raise KeyError("sizes")

    assert only(failing=Failing).problem == "KeyError: 'sizes'"
