"""Multiply-adds counted while they are done, by every operator of every class."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from prograd.layer import Layer
from prograd.operators import Operator, Product, Sum
from prograd.operators.multiplication import Arithmetic, new_arrays
from prograd.tape import machine

PRODUCTS: Final = ("jvp", "jvp_into", "vjp", "vjp_into", "vjp_sum")
Method = Callable[..., Any]


@dataclass
class Count:
    """How many multiply-adds operators have done, and in how many calls."""

    multiply_adds: int = 0
    calls: int = 0


@contextmanager
def counted() -> Iterator[Count]:
    """Counts what all operators do meanwhile: for a product `edges` × leading axes × samples.

        with prograd.testing.counted() as count:
            f.gradient(w, mode="forward")
        print(count.multiply_adds)

    Products and sums of operators count by their factors and terms, columns by `column_edges`, and what composes two
    diagonal operators by the entries it scales. What layers do in `g` and `jacobian` is no product of a mode and does
    not count. Modes do nothing else, but for forward mode's closing product with `∇ℓ`. Calls in threads count too; the
    classes of operators and layers are changed while it lasts.
    """
    counter = _Counter()
    with ExitStack() as changes:
        changes.enter_context(machine.using("off"))  # a replay calls no operators, a recording calls them once more
        for cls, name, wrap in _methods(counter):
            changes.enter_context(patch.object(cls, name, wrap(vars(cls)[name])))
        yield counter.count


class _Counter:
    """Methods that count, around those that compute."""

    def __init__(self) -> None:
        self.count = Count()
        self._lock = threading.Lock()
        self._inside = threading.local()

    def product(self, method: Method) -> Method:
        """A product with vectors."""

        @functools.wraps(method)
        def wrapped(operator: Operator, v: Any, *args: Any, **options: Any) -> Any:
            def work() -> int:
                return int(math.prod(v.shape[:-2])) * max(int(v.shape[-2]), operator.samples) * operator.edges

            return self._counted(work, lambda: method(operator, v, *args, **options))

        return wrapped

    def columns(self, method: Method) -> Method:
        """Columns written down."""

        @functools.wraps(method)
        def wrapped(operator: Operator, start: int, stop: int, out: Any) -> Any:
            def work() -> int:
                return (stop - start) * operator.samples * operator.column_edges

            return self._counted(work, lambda: method(operator, start, stop, out))

        return wrapped

    def compose(self, method: Method) -> Method:
        """Two diagonal operators made into one."""

        @functools.wraps(method)
        def wrapped(by: Arithmetic, outer: Operator, inner: Operator) -> Any:
            made = method(by, outer, inner)
            self._add(sum(array.size for array in new_arrays(made, outer, inner)))
            return made

        return wrapped

    def silent(self, method: Method) -> Method:
        """What does not count."""

        @functools.wraps(method)
        def wrapped(*args: Any, **options: Any) -> Any:
            with self._within():
                return method(*args, **options)

        return wrapped

    def _counted(self, work: Callable[[], int], call: Callable[[], Any]) -> Any:
        if getattr(self._inside, "yes", False):  # a method that is made of the operator's other methods counts once
            return call()
        with self._within():
            self._add(work())
            return call()

    def _add(self, multiply_adds: int) -> None:
        with self._lock:
            self.count.multiply_adds += multiply_adds
            self.count.calls += 1

    @contextmanager
    def _within(self) -> Iterator[None]:
        before = getattr(self._inside, "yes", False)
        self._inside.yes = True
        try:
            yield
        finally:
            self._inside.yes = before


def _methods(counter: _Counter) -> Iterator[tuple[type, str, Callable[[Method], Method]]]:
    """Which methods of which classes are wrapped, and in what."""
    yield Arithmetic, "compose", counter.compose
    yield Operator, "_probe", counter.silent  # asks an operator by a product how many samples it has
    for cls in _classes(Operator):
        if cls not in {Product, Sum}:
            yield from ((cls, name, counter.product) for name in PRODUCTS if name in vars(cls))
            yield from ((cls, name, counter.columns) for name in ("columns_into",) if name in vars(cls))
    for cls in _classes(Layer):
        yield from ((cls, name, counter.silent) for name in ("g", "jacobian") if name in vars(cls))


def _classes(cls: type) -> Iterator[type[Any]]:
    found: list[type[Any]] = type.__subclasses__(cls)
    for sub in found:
        yield sub
        yield from _classes(sub)
