"""The checks of a loss. Each raises `CheckError` with what is wrong, where, and the likely cause."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real, shown
from prograd.errors import LabelError, OptionError, instance_hint
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.testing import operator_checks, operator_declared
from prograd.testing.diagnosis import MatrixName, Pair, largest, require_close, require_matrix, rounding, spanned
from prograd.testing.in_network import loss_in_network
from prograd.testing.layer_case import subsets
from prograd.testing.operator_case import DTYPES, DType, OperatorCase
from prograd.testing.recording import require_recordable
from prograd.testing.reference import Reference, Rough, differentiate, directions
from prograd.testing.report import (
    CheckAdvice,
    CheckError,
    CheckSkipped,
    Report,
    Suite,
    advise_on_mutable,
    named,
    require_steady,
)
from prograd.testing.special_points import SATURATED, advise_on_digits, advise_on_warnings

ELSEWHERE: Final = (
    "a loss that is not defined there is checked at outputs and labels of its own: check_loss(loss, z, y), or "
    "examples() that yields (loss, z, y)"
)


def check_loss(loss: Loss, z: ArrayLike, y: ArrayLike, *, seed: int = 0) -> Report:
    """Run all checks of a loss at outputs `z` `(N, n)` with labels `y`. Raises `ConformanceError` if any fails.

    >>> report = prograd.testing.check_loss(prograd.loss("squared_error"), z=np.ones((2, 3)), y=np.zeros((2, 3)))
    >>> report.failures
    ()
    """
    return LOSS_CHECKS.run(LossCase(loss, z, y, seed=seed))


class LossCase:
    """A loss at outputs `z` with labels `y`, both `(N, n)`, and its reference derivatives there.

    Raises `OptionError` for what is not a loss.
    """

    def __init__(self, loss: Loss, z: ArrayLike, y: ArrayLike, *, seed: int = 0) -> None:
        if not isinstance(loss, Loss):
            raise OptionError(f"check_loss: expected a Loss, got {loss!r}{instance_hint(loss)}")
        self.loss, self.seed = loss, seed
        self.z = np.atleast_2d(np.array(as_real(z, "z"), dtype=np.float64))
        self.y = np.atleast_2d(np.array(as_real(y, "y"), dtype=np.float64))
        self.samples, n = len(self.z), self.z.shape[1]
        self.subject = f"{loss!r} of {self.samples} × {n} outputs"
        self.V = directions(n, seed)

    def arguments(self) -> tuple[Array, Array]:
        """Copies of `z` and `y`, which a loss that writes to its arguments may spoil."""
        return self.z.copy(), self.y.copy()

    def both(self, z: Array, y: Array) -> tuple[Array, Array]:
        """`value` and `gradient` as copies, whatever the loss does with the arrays that it returned."""
        return np.array(self.loss.value(z, y)), np.array(self.loss.gradient(z, y))

    @cached_property
    def steady(self) -> bool:
        """Whether `value` and `gradient` give the same numbers twice."""
        return all(map(np.array_equal, self.both(*self.arguments()), self.both(*self.arguments())))

    @cached_property
    def slope(self) -> tuple[Reference, Rough]:
        """`∇ℓ` in directions, `(k, N, 1)`, from values alone, and which samples are near a kink."""
        return differentiate(lambda z: np.array(self.loss.value(z, self.y))[:, None], self.z, self.V, "value")

    @cached_property
    def curvature(self) -> tuple[Reference, Rough]:
        """`∇²ℓ` in directions, `(k, N, n)`, from gradients, and which samples are near a kink of the gradient."""
        return differentiate(lambda z: self.loss.gradient(z, self.y), self.z, self.V, "gradient")

    @cached_property
    def hessian(self) -> OperatorCase:
        """A case for the checks of operators from the hessian."""
        if type(self.loss).hessian is Loss.hessian:
            raise CheckSkipped("the loss gives no hessian")
        operator = self.loss.hessian(self.z, self.y)
        reference, rough = self.curvature
        return OperatorCase(
            operator, MatrixName("hessian"), self.samples, self.seed, None if rough.any() else reference
        )


def frozen(case: LossCase) -> None:
    """A loss that is a dataclass is a frozen one, so that its options stay what was checked and recorded."""
    advise_on_mutable(case.loss)


def shapes(case: LossCase) -> None:
    """`value` gives `(N,)`, `gradient` `(N, n)`, `hessian` n × n, for several samples and for one; all are finite."""
    if case.z.shape != case.y.shape:
        raise CheckError(f"y: expected the shape of z, {case.z.shape}, got {case.y.shape}")
    for z, y in ((case.z, case.y), (case.z[:1], case.y[:1])):
        for what, method, expected in (
            ("value", case.loss.value, z.shape[:1]),
            ("gradient", case.loss.gradient, z.shape),
        ):
            where = f"{what} of z {z.shape}, {spanned(z)}, with y {spanned(y)}"
            try:
                a = method(z, y)
            except RuntimeWarning as warning:
                where = f"{what} of z {z.shape}, {spanned(z)}, with y {spanned(y)}"
                raise CheckError(
                    f"{where}: expected finite numbers, got a warning: {warning}; {ELSEWHERE}"
                ) from warning
            if not isinstance(a, np.ndarray) or a.shape != expected:
                hint = (
                    "; likely cause: the mean over the samples was taken" if isinstance(a, (float, np.floating)) else ""
                )
                got = f"shape {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__
                raise CheckError(f"{what} of z {z.shape}: expected an array {expected}, got {got}{hint}")
            if not np.isfinite(a).all():
                raise CheckError(f"{where}: expected finite numbers, got some that are not; {ELSEWHERE}")
        if type(case.loss).hessian is not Loss.hessian:
            operator, n = case.loss.hessian(z, y), z.shape[1]
            if not isinstance(operator, Operator) or (operator.rows, operator.cols) != (n, n):
                raise CheckError(f"hessian: expected an operator {n} × {n}, got {_kind(operator)}")
            with named("hessian"):
                operator_checks.shapes(OperatorCase(operator, MatrixName("hessian"), len(z), case.seed))


def _kind(hessian: object) -> str:
    if isinstance(hessian, np.ndarray):
        return f"an array {hessian.shape}; did you mean Diagonal(…) or Dense(…)?"
    return repr(hessian)


def differentiable(case: LossCase) -> None:
    """The example keeps away from kinks: finite differences of `value` converge there."""
    require_steady(case)
    rough = case.slope[1]
    if rough.any():
        n = int(np.argmax(rough))
        raise CheckError(
            f"finite differences of value do not converge at z = {shown(case.z[n])}, y = {shown(case.y[n])}; "
            "likely cause: a kink, which an example should keep away from"
        )


def gradient(case: LossCase) -> None:
    """`gradient` is `∇ℓ`: it agrees with finite differences of `value`."""
    require_steady(case)
    if case.slope[1].any():
        raise CheckSkipped("no reference: finite differences do not converge")
    _require_gradient(case)


def _require_gradient(case: LossCase) -> None:
    """Compare the samples that keep away from kinks."""
    reference, rough = case.slope
    found = (case.loss.gradient(case.z, case.y) @ case.V.T)[~rough, None, :]
    expected, tolerance = (a.transpose(1, 2, 0)[~rough] for a in (reference.values, reference.tolerance))
    pair = Pair(found, "gradient", expected, reference.source, tolerance)
    require_matrix(MatrixName("gradient"), pair, entries=len(case.V) == case.z.shape[1])


def value_and_gradient(case: LossCase) -> None:
    """`value_and_gradient` gives what `value` and `gradient` give separately."""
    require_steady(case)
    both = case.loss.value_and_gradient(case.z, case.y)
    if not (isinstance(both, tuple) and len(both) == 2):
        raise CheckError(f"value_and_gradient: expected a pair, got {type(both).__name__}")
    for what, now, apart in zip(("value", "gradient"), both, case.both(case.z, case.y), strict=True):
        require_close(f"value_and_gradient: {what}", now, apart, rounding(apart))


def hessian(case: LossCase) -> None:
    """`hessian` is `∇²ℓ`: it agrees with finite differences of `gradient`."""
    if case.hessian.reference is None:
        raise CheckSkipped("no reference: the gradient has a kink nearby")
    case.hessian.require_reference(case.hessian.reference)


def symmetric(case: LossCase) -> None:
    """`⟨u, H v⟩ = ⟨v, H u⟩`."""
    forms = _forms(case.hessian)
    require_close("hessian: ⟨u, H v⟩ against ⟨v, H u⟩", forms, forms.swapaxes(1, 2), rounding(forms))


def positive_semidefinite(case: LossCase) -> None:
    """`⟨v, H v⟩ ≥ 0`, which Gauss-Newton relies on."""
    forms = _forms(case.hessian)
    least = np.linalg.eigvalsh((forms + forms.swapaxes(1, 2)) / 2).min(axis=1)
    wrong = least < -rounding(forms).max(axis=(1, 2))
    if wrong.any():
        n = int(np.argmax(wrong))
        raise CheckError(
            f"hessian of sample {n}: expected no negative eigenvalue, got {least[n]:.6g} in the directions tried; "
            "likely cause: the sign"
        )


def _forms(case: OperatorCase) -> Array:
    """`⟨v_j, H v_k⟩` for all directions, `(N, k, k)`."""
    forms: Array = case.V @ case.pushed.transpose(1, 2, 0)
    return forms


def _of_hessian(check: Callable[[OperatorCase], None]) -> Callable[[LossCase], None]:
    @functools.wraps(check)
    def checked(case: LossCase) -> None:
        with named("hessian"):
            check(case.hessian)

    return checked


def dtype(case: LossCase) -> None:
    """float32 stays float32 and float64 float64."""
    for kind in DTYPES:
        z, y = case.z.astype(kind), case.y.astype(kind)
        for what, a in (
            ("value", case.loss.value(z, y)),
            ("gradient", case.loss.gradient(z, y)),
            ("value_and_gradient", case.loss.value_and_gradient(z, y)[1]),
        ):
            if a.dtype != kind:
                raise CheckError(f"{what}: expected {kind}, got {a.dtype}")
        if type(case.loss).hessian is not Loss.hessian:
            operator = case.loss.hessian(z, y)
            operator_checks.keeps_dtype(OperatorCase(operator, MatrixName("hessian"), len(z), case.seed), kind)


def arguments(case: LossCase) -> None:
    """No method changes `z` or `y`, which may be read-only."""
    z, y = case.arguments()
    for writeable in (True, False):
        z.flags.writeable = y.flags.writeable = writeable
        for method in ("value", "gradient", "value_and_gradient", "check"):
            getattr(case.loss, method)(z, y)
            if not (np.array_equal(z, case.z) and np.array_equal(y, case.y)):
                raise CheckError(f"{method} changes its arguments")


def repeatable(case: LossCase) -> None:
    """Equal calls give equal bits, and a later call does not change the result of an earlier one."""
    first = (case.loss.value(*case.arguments()), case.loss.gradient(*case.arguments()))
    kept = [a.copy() for a in first]
    order = np.roll(np.arange(case.samples), 1)
    case.both(case.z[order] + 0.01, case.y[order])
    for what, now, before in zip(("value", "gradient"), first, kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(f"a later call changes an earlier {what}; likely cause: a buffer that is kept and reused")
    case.both(*case.arguments())
    for what, now, before in zip(("value", "gradient"), case.both(*case.arguments()), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(
                f"{what} gives another result when called again with equal arguments; likely cause: random numbers"
            )


def layout(case: LossCase) -> None:
    """Arrays that are strided or in column-major order give what contiguous arrays give."""
    require_steady(case)
    expected = case.both(case.z, case.y)
    spread = [np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2] for a in (case.z, case.y)]
    for how, (z, y) in (("strided", spread), ("column-major", [np.asfortranarray(case.z), np.asfortranarray(case.y)])):
        for what, now, before in zip(("value", "gradient"), case.both(z, y), expected, strict=True):
            require_close(f"{what} of {how} arrays", now, before, rounding(before))


def samples(case: LossCase) -> None:
    """No sample influences another: permuted samples give permuted results, and a sample alone gives its row."""
    require_steady(case)
    expected = case.both(case.z, case.y)
    hint = "; likely cause: a sum or a mean over the samples, or a factor of 1/N, which the objective applies"
    for how, subset in subsets(case.samples):
        found = case.both(case.z[subset], case.y[subset])
        for what, now, before in zip(("value", "gradient"), found, expected, strict=True):
            require_close(f"{what} of {how}", now, before[subset], rounding(before)[subset], hint)


def labels(case: LossCase) -> None:
    """`check` accepts the labels of the example, whatever `z` holds, and raises `LabelError` for one wrong row."""
    if type(case.loss).check is Loss.check:
        raise CheckSkipped("the loss takes any labels")
    for z in (case.z, np.full_like(case.z, np.nan)):
        try:
            case.loss.check(z, case.y)
        except LabelError as error:
            raise CheckError(f"check refuses the labels of the example: {error}") from error
    for row in {0, case.samples - 1}:
        if not any(_refuses(case, row, wrong) for wrong in (np.nan, -1.0, 7.5)):
            raise CheckError(f"check accepts NaN, −1 and 7.5 as labels, in row {row} of {case.samples}")


def _refuses(case: LossCase, row: int, wrong: float) -> bool:
    y = case.y.copy()
    y[row] = wrong
    try:
        case.loss.check(case.z, y)
    except LabelError:
        return True
    return False


def large_arguments(case: LossCase) -> None:
    """Large outputs give no overflow, warning or NaN if the result itself is a number."""
    limit = 1e-3 * float(np.finfo(np.float32).max)
    wider, narrower = DTYPES
    for factor, kind in ((200.0, narrower), (1e4, wider)):
        z = case.z * (factor / largest(case.z))
        with np.errstate(all="ignore"):
            wide = _at(case, z, wider)
        if kind == narrower and not all(np.isfinite(a).all() and np.abs(a).max() < limit for a in wide):
            raise CheckSkipped(f"the result itself is too large at outputs of {factor:g}")
        if np.isinf(wide[0]).any():
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                found = _at(case, z, kind)
        except RuntimeWarning as warning:
            raise CheckError(
                f"at outputs of {factor:g} in {kind}: {warning}, though the result is an ordinary number; "
                "likely cause: an exponential or a square, which can be rewritten so that it does not overflow "
                "(np.logaddexp, np.hypot, a shift by the largest output)"
            ) from warning
        for what, a in zip(("value", "gradient"), found, strict=True):
            if not np.isfinite(a).all():
                raise CheckError(f"{what} is not finite in {kind} at outputs of {factor:g}")


def _at(case: LossCase, z: Array, kind: DType) -> tuple[Array, Array]:
    return case.both(z.astype(kind), case.y.astype(kind))


def zeros(case: LossCase) -> None:
    """At outputs of zero, and at outputs equal to the labels, `gradient` is right where `value` is a number."""
    _require_right(case, (gradient,))
    advice = None
    for where, z in (("z = 0", np.zeros_like(case.z)), ("z = y", case.y.copy())):
        with np.errstate(all="ignore"):
            defined = np.isfinite(case.loss.value(z, case.y))
        if not defined.any():
            continue
        there = LossCase(case.loss, z[defined], case.y[defined], seed=case.seed)
        with np.errstate(all="ignore"):
            if not np.isfinite(there.both(there.z, there.y)[1]).all():
                raise CheckError(
                    f"gradient at {where}: expected finite numbers, got some that are not, though value is a number; "
                    "likely cause: a division by zero"
                )
            try:
                _require_gradient(there)
            except CheckError as failure:
                raise CheckError(f"at {where}: {failure}") from failure
        try:
            advise_on_warnings(functools.partial(there.both, there.z, there.y), where)
        except CheckAdvice as found:
            advice = found
    if advice:
        raise advice


def saturation(case: LossCase) -> None:
    """At large outputs, where probabilities become 0 and 1, float32 gives `value` and `gradient` with right digits."""
    _require_right(case, (gradient, value_and_gradient))
    for size in SATURATED:
        z = (case.z * (size / largest(case.z))).astype(np.float32)
        y = case.y.astype(np.float32)
        with np.errstate(all="ignore"):
            wide = case.both(z.astype(np.float64), y.astype(np.float64))
            narrow = case.both(z, y)
        if all(np.isfinite(a).all() for a in wide):
            advise_on_digits(f"value at outputs up to {size:g} in float32", narrow[0], wide[0])
            advise_on_digits(f"gradient at outputs up to {size:g} in float32", narrow[1], wide[1], (1,))


def network(case: LossCase) -> None:
    """In an objective, every mode gives the gradient of finite differences."""
    _require_right(case, (gradient, value_and_gradient))
    loss_in_network(case.loss, case.z, case.y, case.seed)


def recordable(case: LossCase) -> None:
    """A tape runs `value`, `gradient` and products with `hessian` from the third evaluation on, without Python."""
    require_recordable(case.loss, case.z, case.y)


def _require_right(case: LossCase, checks: Sequence[Callable[[LossCase], None]]) -> None:
    """Raise `CheckSkipped` if one of these checks fails or does not apply."""
    for check in checks:
        try:
            check(case)
        except CheckError as failure:
            raise CheckSkipped(f"means nothing while {check.__name__} fails") from failure


LOSS_CHECKS: Final = Suite(
    shapes,
    (
        frozen,
        repeatable,
        differentiable,
        gradient,
        value_and_gradient,
        hessian,
        symmetric,
        positive_semidefinite,
        _of_hessian(operator_checks.linear),
        _of_hessian(operator_checks.vjp),
        _of_hessian(operator_checks.dense),
        _of_hessian(operator_checks.leading_axes),
        _of_hessian(operator_declared.structure),
        _of_hessian(operator_declared.edges),
        dtype,
        arguments,
        layout,
        samples,
        labels,
        large_arguments,
        zeros,
        saturation,
        network,
        recordable,
    ),
)
