"""What can be recorded, and what asks for numbers."""

from __future__ import annotations

import pytest

import prograd
from prograd import Elementwise
from prograd.errors import OptionError
from prograd.testing.recording import YES, reason_of, recordable

INSTALLED = {name: cls for names in prograd.registry().kinds.values() for name, cls in names.items()}


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_what_is_first_party_can_be_recorded(name):
    assert recordable(INSTALLED[name]) == YES


class Needy(Elementwise):
    """Asks for a number where it has more than one input."""

    def phi(self, z):
        return z * (float(z[0, 0]) * 0 + 1) if z.shape[1] > 1 else z

    def dphi(self, z, z_next):
        return z * 0 + 1


class Strict(Elementwise):
    """Raises where it gets no ndarray."""

    def phi(self, z):
        z.tobytes()
        return z

    def dphi(self, z, z_next):
        raise ZeroDivisionError("not here")


class NoExamples(Needy):
    @classmethod
    def examples(cls):
        raise OptionError("there are none")


def test_one_example_that_asks_for_numbers_is_enough():
    assert reason_of(Needy(), 1) == ""
    assert reason_of(Needy(), 2) == recordable(Needy) == "needy.phi needs a number (float)"


def test_a_method_of_arrays_that_no_tape_has_is_named():
    assert reason_of(Strict(), 2) == "strict.phi needs numpy's .tobytes"


def test_a_layer_inside_another_is_named_itself():
    residual = INSTALLED["residual"](layers=[Needy()])
    assert reason_of(residual, 2) == "needy.phi needs a number (float)"


def test_examples_that_raise_leave_it_unknown():
    assert recordable(NoExamples) == "unknown: there are none"
