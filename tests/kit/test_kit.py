"""The public functions of the kit: what they accept, what they return, and how they refuse wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import Elementwise, Layer
from prograd.errors import OptionError, PluginError, ShapeError, UnknownNameError
from prograd.operators import Dense, Operator
from prograd.testing import check_layer, check_loss, check_operator, counted, parametrize_with_checks
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from prograd.testing.recording import YES, recordable
from tests.helpers.losses import Concave
from tests.helpers.operators import MultipliesFromTheWrongSide, RunningSum
from tests.helpers.wrong_layers.shapes import Swapped

Tanh = prograd.registry().layers["tanh"]
SQUARED_ERROR = prograd.loss("squared_error")


@parametrize_with_checks([Tanh, (Tanh(), 4), (SQUARED_ERROR, np.ones((1, 2)), np.zeros((1, 2))), Tanh(), RunningSum(3)])
def test_parametrized(check) -> None:
    check()


@parametrize_with_checks(
    [(Concave(), np.ones((2, 2)), np.zeros((2, 2)))], expected_failures={"positive_semidefinite": "it is concave"}
)
def test_expected_failures(check) -> None:
    check()


@pytest.mark.parametrize("subject", [3, object, "relu", (Tanh(),)])
def test_a_subject_of_another_kind_is_refused(subject) -> None:
    with pytest.raises(OptionError, match="expected a class, a layer, a loss"):
        parametrize_with_checks([subject])


def test_an_expected_failure_that_no_check_has_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="jacobian_B"):
        parametrize_with_checks([(Tanh(), 3)], expected_failures={"jacobian_C": "misspelt"})


def test_the_report_tells_all() -> None:
    report = check_layer(Tanh(), 2)
    text = str(report)
    assert "jacobian_B" in report.passed
    assert "jacobian_A" in report.skipped
    assert f"{len(report.passed)} passed, 0 failed" in text


def test_the_report_folds_what_is_skipped_into_a_line() -> None:
    text = str(check_layer(Tanh(), 2, z=np.ones((1, 2))))
    assert "  skipped jacobian_A: no parameters; large_arguments, zeros, saturation: the points were given" in text
    broken = LAYER_CHECKS.report(LayerCase(Swapped(), 2))
    assert str(broken).splitlines()[-1] == f"  skipped {len(broken.skipped)} checks: means nothing while shapes fails"


class OfPositives(Elementwise):
    """log z, which the kit tries where it is defined."""

    def phi(self, z):
        return np.log(z)

    def dphi(self, z, z_next):
        return 1 / z

    @classmethod
    def examples(cls):
        yield cls(), 2, np.array([[0.5, 2.0], [0.1, 7.0]])


@parametrize_with_checks([OfPositives])
def test_a_layer_brings_the_inputs_that_it_is_defined_for(check) -> None:
    check()


def test_a_layer_that_brings_its_inputs_records() -> None:
    assert recordable(OfPositives) == YES


@pytest.mark.parametrize("check", [check_layer, check_loss, check_operator])
def test_the_wrong_kind_of_object_is_refused(check) -> None:
    arguments = {check_layer: (3,), check_loss: (np.ones(2), np.ones(2)), check_operator: ()}[check]
    with pytest.raises(OptionError, match="expected a"):
        check("relu", *arguments)


@pytest.mark.parametrize(("check", "arguments", "cls"), [(check_layer, (3,), Tanh), (check_operator, (), RunningSum)])
def test_a_class_is_asked_for_its_instance(check, arguments, cls) -> None:
    with pytest.raises(OptionError, match=rf"expected an? \w+, got .*; did you mean {cls.__name__}\(…\)\?"):
        check(cls, *arguments)


@pytest.mark.parametrize("n_in", [0, -1, None, "3", True])
def test_inputs_that_cannot_be_are_the_callers_mistake(n_in) -> None:
    with pytest.raises(ShapeError, match="n_in: expected a positive number of inputs for tanh, got"):
        check_layer(Tanh(), n_in)


def test_an_operator_that_cannot_be_asked_for_its_sizes_is_told_with_its_call() -> None:
    with pytest.raises(PluginError, match=r"WrongShapes: raised ValueError: .* called as jvp\(v \(1, 3\)\)$"):
        check_operator(AsksWithTheWrongShapes(np.ones((2, 3))))


class AsksWithTheWrongShapes(MultipliesFromTheWrongSide):
    samples = Operator.samples


@pytest.mark.parametrize("z", [np.ones((3, 5)), np.ones((2, 2, 4)), np.ones(3)])
def test_points_of_another_size_are_the_callers_mistake(z):
    with pytest.raises(ShapeError, match=r"z: expected shape \(N, 4\) for tanh of 4 inputs, got"):
        check_layer(prograd.layer("tanh"), 4, z=z)


@pytest.mark.parametrize("shape", [(3, 2), (5, 2, 3), (6,)])
def test_a_matrix_of_another_shape_is_the_callers_mistake(shape):
    with pytest.raises(ShapeError, match=r"matrix: expected shape \(2, 3\) or \(4, 2, 3\) for .*, got"):
        check_operator(Dense(np.ones((2, 3))), matrix=np.ones(shape))


def test_no_samples_are_the_callers_mistake():
    with pytest.raises(ShapeError, match="samples: expected a positive number, got 0"):
        check_operator(Dense(np.ones((2, 3))), samples=0)


def test_an_operator_that_drops_the_sample_axis_can_not_tell_how_many_samples_it_has():
    class Drops(Operator):
        rows, cols = 2, 3

        def jvp(self, v):
            return np.squeeze(v[..., :2])

        def vjp(self, q):
            return np.squeeze(q[..., [0, 1, 1]])

    with pytest.raises(ShapeError, match=r"Drops: jvp of shape \(1, 3\): expected 2 axes, got \(2,\)"):
        check_operator(Drops())


class ByKeyword(Layer):
    """A tanh, called with names."""

    inner = prograd.layer("tanh")

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return self.inner.g(w, z=z)

    def jacobian(self, w, z, z_next):
        return self.inner.jacobian(w=w, z=z, z_next=z_next)


def test_layers_that_are_called_by_keyword_can_be_counted():
    net = prograd.Network([ByKeyword(), prograd.layer("affine", width=3)], n_in=2)
    with counted() as count:
        prograd.jacobian(net, net.init(0), np.ones((2, 2)), mode="reverse")
    assert count.multiply_adds > 0
