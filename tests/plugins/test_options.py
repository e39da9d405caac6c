"""The checks of options: what they accept, what they store, and what their messages say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from prograd import Elementwise, options
from prograd.errors import OptionError


@dataclass(frozen=True)
class Waves(Elementwise):
    option: Any

    def phi(self, z):
        return z

    def dphi(self, z, z_next):
        return np.ones_like(z)


CHECKS = {
    "integer": options.integer,
    "integer from 0": lambda owner, option: options.integer(owner, option, least=0),
    "integers": lambda owner, option: options.integers(owner, option, ["height", "width"]),
    "per axis": lambda owner, option: options.per_axis(owner, option, ["height", "width"]),
    "real": options.real,
    "positive": lambda owner, option: options.real(owner, option, above=0),
    "flag": options.flag,
    "one of": lambda owner, option: options.one_of(owner, option, ["sigmoid", "tanh"]),
}


@pytest.mark.parametrize(
    ("check", "value", "stored"),
    [
        ("integer", 1, 1),
        ("integer", np.int64(3), 3),
        ("integer from 0", 0, 0),
        ("integers", [2, np.int32(3)], (2, 3)),
        ("integers", (1, 1), (1, 1)),
        ("per axis", np.int64(3), 3),
        ("per axis", [2, np.int32(2)], 2),
        ("per axis", [2, 3], (2, 3)),
        ("real", 2, 2.0),
        ("real", np.float64(-0.5), -0.5),
        ("positive", 1e-300, 1e-300),
        ("flag", False, False),
        ("one of", np.str_("tanh"), "tanh"),
    ],
)
def test_what_fits_is_stored_as_pythons_own(check, value, stored) -> None:
    waves = Waves(value)
    CHECKS[check](waves, "option")
    assert waves.option == stored
    assert type(waves.option) is type(stored)
    assert waves == Waves(stored)
    if isinstance(stored, tuple):
        assert [type(k) for k in waves.option] == [int, int]


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        ("integer", 0, "an integer of at least 1, got 0"),
        ("integer", True, "an integer of at least 1, got True"),
        ("integer", 2.0, "an integer of at least 1, got 2.0"),
        ("integer from 0", -1, "an integer of at least 0, got -1"),
        ("integers", [2], "[height, width], integers of at least 1, got [2]"),
        ("integers", [2, 3, 4], "[height, width], integers of at least 1, got [2, 3, 4]"),
        ("integers", [2, 0], "[height, width], integers of at least 1, got [2, 0]"),
        ("integers", "23", "[height, width], integers of at least 1, got '23'"),
        ("per axis", 0, "an integer of at least 1, or [height, width] of them, got 0"),
        ("per axis", True, "an integer of at least 1, or [height, width] of them, got True"),
        ("per axis", [1, 2, 3], "an integer of at least 1, or [height, width] of them, got [1, 2, 3]"),
        ("per axis", (2, 0), "an integer of at least 1, or [height, width] of them, got (2, 0)"),
        ("per axis", "33", "an integer of at least 1, or [height, width] of them, got '33'"),
        ("real", float("nan"), "a finite number, got nan"),
        ("real", "fast", "a finite number, got 'fast'"),
        ("real", True, "a finite number, got True"),
        ("positive", 0, "a finite number greater than 0, got 0"),
        ("positive", float("inf"), "a finite number greater than 0, got inf"),
        ("flag", 1, "true or false, got 1"),
        ("one of", "relu", "one of sigmoid, tanh, got 'relu'"),
        ("one of", True, "one of sigmoid, tanh, got True"),
    ],
)
def test_what_does_not_fit_is_named(check, value, expected) -> None:
    with pytest.raises(OptionError) as caught:
        CHECKS[check](Waves(value), "option")
    assert str(caught.value) == f"waves: option: expected {expected}"
