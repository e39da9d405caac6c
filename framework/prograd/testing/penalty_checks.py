"""The checks of a penalty. Each raises `CheckError` with what is wrong, where, and the likely cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import OptionError, instance_hint
from prograd.modes import MODES
from prograd.network import Network
from prograd.objective import Objective
from prograd.penalty import Penalty
from prograd.testing.diagnosis import (
    MatrixName,
    Pair,
    largest,
    of_shape,
    require_close,
    require_matrix,
    rounding,
    spanned,
)
from prograd.testing.in_network import HalfSquare, Mixing
from prograd.testing.operator_case import DTYPES
from prograd.testing.recording import require_recordable
from prograd.testing.reference import Reference, Rough, differentiate, directions
from prograd.testing.report import CheckError, CheckSkipped, Report, Suite, require_steady
from prograd.testing.special_points import advise_on_digits, advise_on_warnings

ENDS: Final = (1e-30, 1e-10, 1e10, 1e30)
"""Sizes of parameters that a float32 holds, and whose squares it does not."""

ELSEWHERE: Final = (
    "a penalty that is not defined there is checked at a parameter of its own: check_penalty(penalty, w), or "
    "examples() that yields (penalty, w)"
)

OF_SQUARES: Final = "a square, which a float32 does not hold: it overflows or vanishes (np.hypot does not)"


def check_penalty(penalty: Penalty, w: ArrayLike, *, seed: int = 0) -> Report:
    """Run all checks of a penalty at a parameter `w` of any shape. Raises `ConformanceError` if any fails."""
    return PENALTY_CHECKS.run(PenaltyCase(penalty, w, seed=seed))


class PenaltyCase:
    """A penalty at a parameter `w`, and its reference derivatives there. Raises `OptionError` for what is none."""

    def __init__(self, penalty: Penalty, w: ArrayLike, *, seed: int = 0) -> None:
        if not isinstance(penalty, Penalty):
            raise OptionError(f"check_penalty: expected a Penalty, got {penalty!r}{instance_hint(penalty)}")
        self.penalty, self.seed = penalty, seed
        self.w = np.array(as_real(w, "w"), dtype=np.float64)
        if not self.w.size:
            raise OptionError(f"check_penalty: expected a parameter with entries, got shape {self.w.shape}")
        self.subject = f"{penalty!r} of a parameter {self.w.shape}"
        self.V = directions(self.w.size, seed)

    def both(self, w: Array) -> tuple[Array, Array]:
        """`value` and `gradient` as copies, whatever the penalty does with the arrays that it returned."""
        return np.array(self.penalty.value(w)), np.array(self.penalty.gradient(w))

    def products(self, w: Array) -> Array:
        """`∇²ρ v` for all directions, `(k, *w.shape)`. Raises `CheckSkipped` if there is no hessian."""
        if type(self.penalty).hessian_vector is Penalty.hessian_vector:
            raise CheckSkipped("the penalty gives no products with its hessian")
        return np.array(self.penalty.hessian_vector(w, self.V.reshape(-1, *w.shape).astype(w.dtype)))

    @cached_property
    def steady(self) -> bool:
        """Whether all methods give the same numbers twice."""
        first, second = (_results(self.penalty, self.w.copy()) for _ in range(2))
        return all(np.array_equal(first[method], second[method]) for method in first)

    @property
    def forms(self) -> Array:
        """`⟨v_j, ∇²ρ v_k⟩`."""
        forms: Array = self.V @ self.products(self.w).reshape(len(self.V), -1).T
        return forms

    @cached_property
    def slope(self) -> tuple[Reference, Rough]:
        """`∇ρ` in directions, `(k, 1, 1)`, from values alone, and whether there is a kink nearby."""
        return self._differences(lambda w: self.penalty.value(w).reshape(1, 1), "value")

    @cached_property
    def curvature(self) -> tuple[Reference, Rough]:
        """`∇²ρ` in directions, `(k, 1, w.size)`, from gradients, and whether the gradient has a kink nearby."""
        return self._differences(lambda w: self.penalty.gradient(w).reshape(1, -1), "gradient")

    def _differences(self, f: Callable[[Array], Array], of: str) -> tuple[Reference, Rough]:
        return differentiate(lambda w: f(w.reshape(self.w.shape)), self.w.reshape(1, -1), self.V, of)


def shapes(case: PenaltyCase) -> None:
    """`value` is one number, `gradient` has the shape of `w`, products with the hessian that of `v`; all are finite."""
    where = f"w {case.w.shape}, {spanned(case.w)}"
    try:
        found = _given(case)
    except RuntimeWarning as warning:
        raise CheckError(f"{where}: expected finite numbers, got a warning: {warning}; {ELSEWHERE}") from warning
    for what, (given, expected) in found.items():
        a = of_shape(what, given, expected)
        if not isinstance(given, (np.ndarray, np.floating)):
            raise CheckError(f"{what}: expected numbers of numpy, got {type(given).__name__}")
        if not np.isfinite(a).all():
            raise CheckError(f"{what} at {where}: expected finite numbers, got some that are not; {ELSEWHERE}")


def _given(case: PenaltyCase) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """What each method gives, with the shape that it should have."""
    found: dict[str, tuple[Any, tuple[int, ...]]] = {
        "value": (case.penalty.value(case.w), ()),
        "gradient": (case.penalty.gradient(case.w), case.w.shape),
    }
    if type(case.penalty).hessian_vector is not Penalty.hessian_vector:
        for lead in ((), (2,), (2, 3)):
            v = np.ones((*lead, *case.w.shape))
            found[f"hessian_vector of v {v.shape}"] = case.penalty.hessian_vector(case.w, v), v.shape
    return found


def differentiable(case: PenaltyCase) -> None:
    """The example keeps away from kinks: finite differences of `value` converge there."""
    require_steady(case)
    if case.slope[1].any():
        raise CheckError(
            "finite differences of value do not converge; likely cause: a kink, which an example should keep away from"
        )


def gradient(case: PenaltyCase) -> None:
    """`gradient` is `∇ρ`: it agrees with finite differences of `value`."""
    require_steady(case)
    if case.slope[1].any():
        raise CheckSkipped("no reference: finite differences do not converge")
    found = case.V @ case.penalty.gradient(case.w).reshape(-1)
    _require(case, "gradient", found[None, None, :], case.slope[0])


def value_and_gradient(case: PenaltyCase) -> None:
    """`value_and_gradient` gives what `value` and `gradient` give separately."""
    require_steady(case)
    both = case.penalty.value_and_gradient(case.w)
    if not (isinstance(both, tuple) and len(both) == 2):
        raise CheckError(f"value_and_gradient: expected a pair, got {type(both).__name__}")
    for what, now, apart in zip(("value", "gradient"), both, case.both(case.w), strict=True):
        require_close(f"value_and_gradient: {what}", np.asarray(now), apart, rounding(apart))


def hessian(case: PenaltyCase) -> None:
    """`hessian_vector` is `∇²ρ v`: it agrees with finite differences of `gradient`."""
    require_steady(case)
    found = case.products(case.w).reshape(len(case.V), 1, -1)
    if case.curvature[1].any():
        raise CheckSkipped("no reference: the gradient has a kink nearby")
    _require(case, "hessian", found.transpose(1, 2, 0), case.curvature[0])


def _require(case: PenaltyCase, what: str, found: Array, reference: Reference) -> None:
    expected, tolerance = (a.transpose(1, 2, 0) for a in (reference.values, reference.tolerance))
    pair = Pair(found, what, expected, reference.source, tolerance)
    require_matrix(MatrixName(what, "w", case.w.shape), pair, entries=len(case.V) == case.w.size)


def symmetric(case: PenaltyCase) -> None:
    """`⟨u, ∇²ρ v⟩ = ⟨v, ∇²ρ u⟩`."""
    require_close("hessian: ⟨u, H v⟩ against ⟨v, H u⟩", case.forms, case.forms.T, rounding(case.forms))


def positive_semidefinite(case: PenaltyCase) -> None:
    """`⟨v, ∇²ρ v⟩ ≥ 0`, which Gauss-Newton relies on."""
    least = np.linalg.eigvalsh((case.forms + case.forms.T) / 2).min()
    if least < -rounding(case.forms).max():
        raise CheckError(
            f"hessian: expected no negative eigenvalue, got {least:.6g} in the directions tried; likely cause: the sign"
        )


def dtype(case: PenaltyCase) -> None:
    """float32 stays float32 and float64 float64."""
    for kind in DTYPES:
        w = case.w.astype(kind)
        for method, a in _results(case.penalty, w).items():
            if a.dtype != kind:
                raise CheckError(f"{method}: expected {kind}, got {a.dtype}")


def arguments(case: PenaltyCase) -> None:
    """No method changes `w` or `v`, which may be read-only."""
    w = case.w.copy()
    for writeable in (True, False):
        w.flags.writeable = writeable
        _results(case.penalty, w)
        if not np.array_equal(w, case.w):
            raise CheckError("a method changes its arguments")


def repeatable(case: PenaltyCase) -> None:
    """Equal calls give equal bits, and a later call does not change the result of an earlier one."""
    first = _results(case.penalty, case.w.copy())
    kept = {method: a.copy() for method, a in first.items()}
    _results(case.penalty, 2 * case.w + 0.01)
    for method, a in first.items():
        if not np.array_equal(a, kept[method]):
            raise CheckError(
                f"a later call changes an earlier {method}; likely cause: a buffer that is kept and reused"
            )
    for method, a in _results(case.penalty, case.w.copy()).items():
        if not np.array_equal(a, kept[method]):
            raise CheckError(
                f"{method} gives another result when called again with equal arguments; likely cause: random numbers"
            )


def layout(case: PenaltyCase) -> None:
    """Arrays that are strided or in column-major order give what contiguous arrays give."""
    require_steady(case)
    expected = _results(case.penalty, case.w)
    spread = np.repeat(case.w[..., None], 2, axis=-1)[..., 0]
    for how, w in (("strided", spread), ("column-major", np.asfortranarray(case.w))):
        for method, a in _results(case.penalty, w).items():
            require_close(f"{method} of {how} arrays", a, expected[method], rounding(expected[method]))


def zeros(case: PenaltyCase) -> None:
    """Where a parameter is 0, as biases are at first, value and derivatives are finite."""
    there = PenaltyCase(case.penalty, np.zeros_like(case.w), seed=case.seed)
    with np.errstate(all="ignore"):
        for method, a in _results(case.penalty, there.w).items():
            if not np.isfinite(a).all():
                raise CheckError(
                    f"{method} at w = 0: expected finite numbers, got some that are not; likely cause: a division by "
                    "zero, or a kink, which needs a smooth form"
                )
    advise_on_warnings(lambda: _results(case.penalty, there.w), "w = 0")


def ends(case: PenaltyCase) -> None:
    """Tiny and huge parameters give float32 the digits of float64, and no overflow where the result is a number."""
    compared = []
    for size in ENDS:
        w = (case.w * (size / largest(case.w))).astype(np.float32)
        with np.errstate(all="ignore"):
            wide, narrow = _results(case.penalty, w.astype(np.float64)), _results(case.penalty, w)
            held = [method for method, a in wide.items() if np.isfinite(a.astype(np.float32)).all()]
        for method in held:
            if not np.isfinite(narrow[method]).all():
                raise CheckError(
                    f"{method} is not finite in float32 at parameters of {size:g}, though the result is an ordinary "
                    f"number; likely cause: {OF_SQUARES}"
                )
            compared.append((f"{method} at parameters of {size:g} in float32", narrow[method], wide[method]))
    for numbers in compared:  # advice ends the check, so faults come first
        advise_on_digits(*numbers, guess=OF_SQUARES)


def network(case: PenaltyCase) -> None:
    """In an objective, it adds `value` to the value, and in every mode `gradient` to the gradient."""
    require_steady(case)
    net = Network([Mixing(case.w.size), Mixing(1)], n_in=1)
    rng = np.random.default_rng(case.seed)
    x, y = rng.normal(size=(3, 1)), rng.normal(size=(3, 1))
    everywhere = replace(case.penalty, layers=None, parameters=None)
    penalized, plain = (Objective(net, HalfSquare(), x, y, penalty=one) for one in (everywhere, None))
    w = net.pack([{"W": case.w.reshape(-1, 1)}, {"W": case.w.reshape(1, -1)}])
    matrices = [w_i["W"] for w_i in net.unpack(w)]
    parts = [{"W": of_shape(f"gradient of w {W.shape}", case.penalty.gradient(W), W.shape)} for W in matrices]
    added = net.pack(parts)
    value = sum(float(case.penalty.value(W)) for W in matrices)
    require_close("f(w)", np.array(penalized(w)), np.array(plain(w) + value), 1e-9 * (abs(value) + 1))
    for name, mode in MODES.items():
        expected = plain.gradient(w, mode=mode) + added
        require_close(f'f.gradient(w, mode="{name}")', penalized.gradient(w, mode=mode), expected, rounding(expected))


def recordable(case: PenaltyCase) -> None:
    """A tape runs `value`, `gradient` and products with the hessian from the third evaluation on, without Python."""
    require_recordable(case.penalty, case.w)


def _results(penalty: Penalty, w: Array) -> dict[str, Array]:
    """What each method gives; `v` is `w + 1`."""
    value, slope = penalty.value_and_gradient(w)
    found = {"value": penalty.value(w), "gradient": penalty.gradient(w), "value_and_gradient": slope}
    if type(penalty).hessian_vector is not Penalty.hessian_vector:
        found["hessian_vector"] = penalty.hessian_vector(w, np.ones_like(w))
    return {method: np.asarray(a) for method, a in (found | {"value, with the gradient,": value}).items()}


PENALTY_CHECKS: Final = Suite(
    shapes,
    (
        repeatable,
        differentiable,
        gradient,
        value_and_gradient,
        hessian,
        symmetric,
        positive_semidefinite,
        dtype,
        arguments,
        layout,
        zeros,
        ends,
        network,
        recordable,
    ),
)
