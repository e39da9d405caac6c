"""Can a layer, a loss or a penalty be recorded? One that can't is right too: Python goes on to run it, only slower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Final

import numpy as np

from prograd.arrays import Array
from prograd.errors import NotRecordable, ProgradError
from prograd.foreign import let_pass, reason
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.modes import MODES, Evaluation, Mode
from prograd.modes.samples import clipped_gradient, per_sample_gradients
from prograd.network import Network
from prograd.options import Owner
from prograd.penalty import Penalty
from prograd.tape.tape import Signature, record
from prograd.testing.in_network import HalfSquare, Mixing
from prograd.testing.operator_case import SAMPLES
from prograd.testing.report import CheckAdvice

DOUBLE: Final = np.dtype(np.float64)
YES: Final = "yes"
Task = tuple[Callable[..., None], list[tuple[int, ...]], list[tuple[int, ...]]]
"""A function that is recorded, and the shapes of its inputs and outputs."""


@cache
def recordable(cls: type[Owner]) -> str:
    """`YES` if the examples of a layer, a loss or a penalty can be recorded, else what asks for numbers."""
    try:
        reasons = [reason_of(*example) for example in cls.examples()]
    except BaseException as error:  # noqa: BLE001  (a plugin's examples may raise anything, which `check` reports)
        let_pass(error)
        return f"unknown: {reason(error)}"
    return next((reason for reason in reasons if reason), YES)


def in_a_word(answer: str) -> str:
    """An answer of `recordable` as `yes`, `no` or `unknown`, for a column of a table."""
    return answer if answer in {"", YES} else "unknown" if answer.startswith("unknown") else "no"


def require_recordable(example: Owner, *at: Any) -> None:
    """Raises `CheckAdvice` unless `(layer, n_in)`, `(loss, z, y)` or `(penalty, w)` can be recorded."""
    why = reason_of(example, *at)
    if why:
        raise CheckAdvice(
            f"{why}, which a tape can't run, so Python runs it each time, with the same results but slower; functions "
            "of numpy and scipy.special on arrays record, and np.where takes the place of if and of an index that "
            "depends on values"
        )


def reason_of(example: Owner, *at: Any) -> str:
    """Why `(layer, n_in)`, `(loss, z, y)` or `(penalty, w)` can't be recorded: which method asks, and for what."""
    if isinstance(example, Layer):
        tasks = _of_layer(example, *at)
    elif isinstance(example, Loss):
        tasks = _of_loss(example, *map(np.atleast_2d, at))
    else:
        tasks = _of_penalty(example, *at)
    for function, inputs, outputs in tasks:
        try:
            record(function, _doubles(inputs), _doubles(outputs))
        except NotRecordable as error:
            who = f"{error.owner}.{error.method}" if error.owner not in {"", Mixing(1).name} else "it"
            raised = error.__cause__
            return f"{who} raises {reason(raised)} on arrays without numbers" if raised else f"{who} needs {error.what}"
        except ProgradError as error:
            return str(error)
    return ""


def _of_layer(layer: Layer, n_in: int, *_: Array) -> Iterator[Task]:
    """Gradient and Jacobian in every mode, between two other layers, and what reverse mode gives for each sample."""
    net, loss = Network([Mixing(n_in), layer, Mixing(2)], n_in=3), HalfSquare()
    size, x, y = (net.size,), (SAMPLES, net.n[0]), (SAMPLES, net.n[-1])

    def at(w: Array, x: Array, y: Array) -> Evaluation:
        return Evaluation(net, loss, w, net.unpack(w), x, y)

    def gradient(mode: Mode, w: Array, x: Array, y: Array, p: Array) -> None:
        mode.gradient(at(w, x, y), p, None)

    def jacobian(mode: Mode, w: Array, x: Array, y: Array, J: Array) -> None:
        mode.jacobian(at(w, x, y).linearization(), J, None)

    def each(w: Array, x: Array, y: Array, p: Array) -> None:
        per_sample_gradients(at(w, x, y), p)

    def clipped(w: Array, x: Array, y: Array, limit: Array, p: Array) -> None:
        clipped_gradient(at(w, x, y), limit, p, None)

    for mode in MODES.values():
        yield partial(gradient, mode), [size, x, y], [size]
        yield partial(jacobian, mode), [size, x, y], [(*y, net.size)]
    yield each, [size, x, y], [(SAMPLES, net.size)]
    yield clipped, [size, x, y, (1,)], [size]


def _of_loss(loss: Loss, z: Array, y: Array) -> Iterator[Task]:
    """Value and gradient, apart and together, and the product with the hessian."""
    each, row, labels = z.shape[:1], z.shape, y.shape

    def apart(z: Array, y: Array, v: Array, q: Array) -> None:
        v[...], q[...] = loss.value(z, y), loss.gradient(z, y)

    def together(z: Array, y: Array, v: Array, q: Array) -> None:
        v[...], q[...] = loss.value_and_gradient(z, y)

    def product(z: Array, y: Array, v: Array, q: Array) -> None:
        q[...] = loss.hessian(z, y).jvp(v)

    yield apart, [row, labels], [each, row]
    yield together, [row, labels], [each, row]
    if type(loss).hessian is not Loss.hessian:
        yield product, [row, labels, row], [row]


def _of_penalty(penalty: Penalty, w: Array) -> Iterator[Task]:
    """Value and gradient, apart and together, and the product with the hessian."""

    def apart(w: Array, value: Array, p: Array) -> None:
        value[...], p[...] = penalty.value(w), penalty.gradient(w)

    def together(w: Array, value: Array, p: Array) -> None:
        value[...], p[...] = penalty.value_and_gradient(w)

    def product(w: Array, v: Array, p: Array) -> None:
        p[...] = penalty.hessian_vector(w, v)

    yield apart, [w.shape], [(), w.shape]
    yield together, [w.shape], [(), w.shape]
    if type(penalty).hessian_vector is not Penalty.hessian_vector:
        yield product, [w.shape, w.shape], [w.shape]


def _doubles(shapes: list[tuple[int, ...]]) -> Signature:
    return [(shape, DOUBLE) for shape in shapes]
