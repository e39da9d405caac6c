"""The checks of a loss. Each takes a case and raises `CheckError` with what is wrong, where, and the likely cause."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final

import numpy as np

from prograd.arrays import Array, shown
from prograd.errors import LabelError
from prograd.loss import Loss
from prograd.testing import operators, structure
from prograd.testing.cases import rounding, subsets
from prograd.testing.diagnosis import Block, Pair, require_close, require_matrix
from prograd.testing.losscase import LossCase
from prograd.testing.network import loss_in_network
from prograd.testing.opcase import KINDS, Kind, OperatorCase, directions
from prograd.testing.report import CheckError, CheckSkipped, Suite


def shapes(case: LossCase) -> None:
    """`value` gives `(N,)`, `gradient` `(N, n)`, and the example's labels pass the loss's own check."""
    z, y = case.z, case.y
    if z.shape != y.shape:
        raise CheckError(f"z and y must have one shape, got {z.shape} and {y.shape}")
    for what, a, expected in (
        ("value", case.loss.value(z, y), z.shape[:1]),
        ("gradient", case.loss.gradient(z, y), z.shape),
    ):
        if not isinstance(a, np.ndarray) or a.shape != expected:
            hint = "; likely cause: the mean over the samples was taken" if np.ndim(a) == 0 else ""
            got = f"shape {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__
            raise CheckError(f"{what} of z {z.shape} must give an array {expected}, got {got}{hint}")
        if not np.isfinite(a).all():
            raise CheckError(f"{what} is not finite at the example's outputs and labels")


def differentiable(case: LossCase) -> None:
    """The example keeps away from kinks: finite differences of `value` converge there."""
    rough = case.slope[1]
    if rough.any():
        n = int(np.argmax(rough))
        raise CheckError(
            f"finite differences of value do not converge at z = {shown(case.z[n])}, y = {shown(case.y[n])}; "
            "likely cause: a kink, which an example should keep away from"
        )


def gradient(case: LossCase) -> None:
    """`gradient` is `∇ℓ`: against finite differences of `value`."""
    reference, rough = case.slope
    if rough.any():
        raise CheckSkipped("no reference: finite differences do not converge")
    V = directions(case.z.shape[1], case.seed)
    found = case.loss.gradient(case.z, case.y)
    pair = Pair((found @ V.T)[:, None, :], reference.values.transpose(1, 2, 0), reference.tolerance[:, None, None])
    entries = len(V) == found.shape[1]
    require_matrix(Block("gradient"), "gradient", pair, source=reference.source, entries=entries)


def value_and_gradient(case: LossCase) -> None:
    """`value_and_gradient` gives what `value` and `gradient` give apart."""
    both = case.loss.value_and_gradient(case.z, case.y)
    if not (isinstance(both, tuple) and len(both) == 2):
        raise CheckError(f"value_and_gradient must give a pair, got {type(both).__name__}")
    for what, now, apart in zip(
        ("value", "gradient"), both, (case.loss.value(case.z, case.y), case.loss.gradient(case.z, case.y)), strict=True
    ):
        require_close(f"value_and_gradient: {what}", now, apart, rounding(apart))


def hessian(case: LossCase) -> None:
    """`hessian` is `∇²ℓ`: against finite differences of `gradient`."""
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
    least = float(np.linalg.eigvalsh((forms + forms.swapaxes(1, 2)) / 2).min())
    if least < -rounding(forms):
        raise CheckError(
            f"hessian has the negative eigenvalue {least:.6g} in the directions tried; likely cause: the sign"
        )


def _forms(operator: OperatorCase) -> Array:
    """`⟨v_j, H v_k⟩` for all directions, `(N, k, k)`."""
    return np.stack([operator.V @ operator.pushed[:, n].T for n in range(operator.samples)])


def _of_hessian(check: Callable[[OperatorCase], None]) -> Callable[[LossCase], None]:
    def checked(case: LossCase) -> None:
        check(case.hessian)

    checked.__name__ = check.__name__
    checked.__doc__ = check.__doc__
    return checked


def dtype(case: LossCase) -> None:
    """float32 stays float32 and float64 float64."""
    for kind in KINDS:
        z, y = case.z.astype(kind), case.y.astype(kind)
        both = case.loss.value_and_gradient(z, y)
        for what, a in (
            ("value", case.loss.value(z, y)),
            ("gradient", case.loss.gradient(z, y)),
            ("value_and_gradient", both[1]),
        ):
            if a.dtype != kind:
                raise CheckError(f"{what} makes {a.dtype} of {kind}")
        if type(case.loss).hessian is not Loss.hessian:
            operator = case.loss.hessian(z, y)
            operators.keeps_dtype(OperatorCase(operator, Block("hessian"), len(z), case.seed), kind)


def arguments(case: LossCase) -> None:
    """`z` and `y` stay as they are, read-only arrays included."""
    z, y = case.z.copy(), case.y.copy()
    for writeable in (True, False):
        z.flags.writeable = y.flags.writeable = writeable
        for what, f in (
            ("value", case.loss.value),
            ("gradient", case.loss.gradient),
            ("value_and_gradient", case.loss.value_and_gradient),
            ("check", case.loss.check),
        ):
            f(z, y)
            if not (np.array_equal(z, case.z) and np.array_equal(y, case.y)):
                raise CheckError(f"{what} changes its arguments")


def repeatable(case: LossCase) -> None:
    """Equal calls give equal bits, and a later call leaves what an earlier one gave as it is."""
    first = (case.loss.value(*case.arguments), case.loss.gradient(*case.arguments))
    kept = [a.copy() for a in first]
    order = np.roll(np.arange(case.samples), 1)
    case.both(case.z[order] + 0.01, case.y[order])
    for what, now, before in zip(("value", "gradient"), first, kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(f"a later call changes an earlier {what}; likely cause: a buffer that is kept and reused")
    case.both(*case.arguments)
    for what, now, before in zip(("value", "gradient"), case.both(*case.arguments), kept, strict=True):
        if not np.array_equal(now, before):
            raise CheckError(f"{what} gives another result when called again with equal arguments")


def layout(case: LossCase) -> None:
    """Arrays that are strided or in column-major order give what contiguous ones give."""
    expected = case.both(case.z, case.y)
    spread = [np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2] for a in (case.z, case.y)]
    for how, (z, y) in (("strided", spread), ("column-major", [np.asfortranarray(case.z), np.asfortranarray(case.y)])):
        for what, now, before in zip(("value", "gradient"), case.both(z, y), expected, strict=True):
            require_close(f"{what} of {how} arrays", now, before, rounding(before))


def samples(case: LossCase) -> None:
    """No sample influences another: permuting samples permutes the results, and one sample alone gives its row."""
    expected = case.both(case.z, case.y)
    for how, subset in subsets(case.samples):
        z, y = case.z[subset], case.y[subset]
        found = case.both(z, y)
        for what, now, before in zip(("value", "gradient"), found, expected, strict=True):
            hint = "; likely cause: a sum or a mean over the samples, or a factor of 1/N, which is the objective's"
            require_close(f"{what} of {how}", now, before[subset], rounding(before), hint)


def labels(case: LossCase) -> None:
    """`check` takes the example's labels, whatever `z` holds, and raises `LabelError` for one wrong row."""
    if type(case.loss).check is Loss.check:
        raise CheckSkipped("the loss takes any labels")
    for z in (case.z, np.full_like(case.z, np.nan)):
        try:
            case.loss.check(z, case.y)
        except LabelError as error:
            raise CheckError(f"check refuses the example's own labels: {error}") from error
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
    """No overflow, warning or NaN for large outputs where the result itself is a number."""
    size = max(float(np.abs(case.z).max()), 1e-300)
    limit = 1e-3 * float(np.finfo(np.float32).max)
    wider, narrower = KINDS
    for factor, kind in ((200.0, narrower), (1e4, wider)):
        z = case.z * (factor / size)
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
                "likely cause: an exponential that can be shifted by the largest output"
            ) from warning
        for what, a in zip(("value", "gradient"), found, strict=True):
            if not np.isfinite(a).all():
                raise CheckError(f"{what} is not finite in {kind} at outputs of {factor:g}")


def _at(case: LossCase, z: Array, kind: Kind) -> tuple[Array, Array]:
    z, y = z.astype(kind), case.y.astype(kind)
    return case.both(z, y)


def network(case: LossCase) -> None:
    """In an objective: every mode gives the same gradient, and it is that of finite differences."""
    for check in (gradient, value_and_gradient):
        try:
            check(case)
        except CheckError as failure:
            raise CheckSkipped(f"means nothing while {check.__name__} fails") from failure
    loss_in_network(case.loss, case.z, case.y, case.seed)


LOSS_CHECKS: Final = Suite(
    shapes,
    (
        differentiable,
        gradient,
        value_and_gradient,
        hessian,
        symmetric,
        positive_semidefinite,
        *map(
            _of_hessian,
            (
                operators.linear,
                operators.vjp,
                operators.dense,
                operators.leading_axes,
                structure.structure,
                structure.edges,
            ),
        ),
        dtype,
        arguments,
        repeatable,
        layout,
        samples,
        labels,
        large_arguments,
        network,
    ),
)
