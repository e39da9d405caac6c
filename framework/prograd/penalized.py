"""The penalties of an objective: which parameters of a network each of them is for, and their sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from prograd import options
from prograd.arrays import Array
from prograd.chosen import Names, number
from prograd.errors import NonFiniteError, NotRecordable, OptionError, PluginError
from prograd.layer import Parameters
from prograd.network import Network, Span, slices
from prograd.penalty import Penalty
from prograd.tape.meter import Meter

ARRAYS: Final = 4  # of the size of a parameter, that a penalty takes which can't be recorded


class Term(NamedTuple):
    """A penalty of one parameter of layer i."""

    penalty: Penalty
    i: int
    name: str


class Penalized:
    """`R(w) = Σ ρ(w_k)` over the parameters `w_k` that each penalty chooses.

    Raises `OptionError` where a penalty chooses layers or parameters that the network does not have.
    """

    def __init__(self, net: Network, penalties: Sequence[Penalty]) -> None:
        self._net = net
        self.terms = tuple(term for penalty in penalties for term in _chosen(net, penalty))
        self._bytes: dict[tuple[np.dtype[Any], Names | None], int] = {}

    def value(self, parameters: Sequence[Parameters]) -> Array | None:
        """`R(w)`, None if no parameter has a penalty."""
        return _sum([penalty.value(parameters[i][name]) for penalty, i, name in self.terms]) if self.terms else None

    def add_gradient(
        self, parameters: Sequence[Parameters], p: Array, spans: Sequence[Span] | None = None
    ) -> Array | None:
        """Adds `∇R(w)` to `p`, or what `spans` has of it; returns `R(w)`, NaN where a gradient is not finite."""
        if not self.terms:
            return None
        parts, values, slopes = slices(p, self._net.spans if spans is None else spans), [], []
        for penalty, i, name in self.terms:
            w = parameters[i][name]
            if name in parts[i]:
                value, gradient = penalty.value_and_gradient(w)
                slopes.append(np.add.reduce(gradient, axis=None))
                parts[i][name] += gradient.reshape(-1)
            else:
                value = penalty.value(w)
            values.append(value)
        return np.where(np.isfinite(_sum(slopes)), _sum(values), np.nan) if slopes else _sum(values)

    def add_product(self, parameters: Sequence[Parameters], v: Array, out: Array) -> None:
        """Adds `∇²R(w) v` to `out`; both are `(…, size)`."""
        given, parts = (slices(a, self._net.spans) for a in (v, out))
        for penalty, i, name in self.terms:
            w = parameters[i][name]
            product = penalty.hessian_vector(w, given[i][name].reshape(*v.shape[:-1], *w.shape))
            parts[i][name] += product.reshape(*v.shape[:-1], -1)

    def gradient_bytes(self, dtype: np.dtype[Any], chosen: Names | None = None) -> int:
        """The most bytes that the gradient by the chosen parameters, or by all, and `add_gradient` take at a time."""
        part = self._net if chosen is None else self._net.part(chosen, 0)
        if (dtype, chosen) not in self._bytes:
            meter = Meter()
            w: Any = meter.input((self._net.size,), dtype)
            p: Any = meter.output((part.size,), dtype)
            try:
                self.add_gradient(self._net.unpack(w), p, part.spans)
                taken = meter.peak
            except NotRecordable:
                largest = max(len(self._net.spans[i].each[name]) for _, i, name in self.terms)
                taken = ARRAYS * largest * dtype.itemsize
            self._bytes[dtype, chosen] = part.size * dtype.itemsize + taken
        return self._bytes[dtype, chosen]

    def check(self, parameters: Sequence[Parameters]) -> None:
        """Raises `PluginError` where a penalty does not return what it should; options have to fit the dtype."""
        for penalty, i, name in self.terms:
            w = parameters[i][name]
            options.check_range(penalty, w.dtype)
            value, gradient = penalty.value_and_gradient(w)
            found: dict[str, tuple[Any, tuple[int, ...]]] = {"value": (value, ()), "gradient": (gradient, w.shape)}
            if type(penalty).hessian_vector is not Penalty.hessian_vector:
                found["hessian_vector"] = penalty.hessian_vector(w, w), w.shape
            for what, (given, expected) in found.items():
                if np.shape(given) != expected:
                    where = f"{name} of {self._net.describe(i)}"
                    raise PluginError(
                        f"penalty {penalty.name}: expected {what} to give shape {expected} for {where}, "
                        f"got {np.shape(given)}"
                    )

    def smooth(self, parameters: Sequence[Parameters], *, gradient: bool) -> None:
        """Raises `NonFiniteError` where a value is NaN, or a gradient is not finite, if that was asked for."""
        for penalty, i, name in self.terms:
            value, slope = penalty.value_and_gradient(parameters[i][name])
            if np.isnan(value):
                self._refuse(penalty, i, name, "that it is defined for")
            if gradient and not np.isfinite(slope).all():
                self._refuse(penalty, i, name, "at which its gradient is finite")

    def curved(self, parameters: Sequence[Parameters]) -> None:
        """Raises `OptionError` for a penalty without a hessian, `NonFiniteError` where it is not finite."""
        for penalty, i, name in self.terms:
            w = parameters[i][name]
            with np.errstate(all="ignore"):
                product = penalty.hessian_vector(w, np.ones_like(w))
            if not np.isfinite(product).all():
                self._refuse(penalty, i, name, "at which its hessian is finite")

    def _refuse(self, penalty: Penalty, i: int, name: str, expected: str) -> None:
        where = f"{name} of {self._net.describe(i)}"
        raise NonFiniteError(f"penalty {penalty.name}: expected parameters {expected}, got others for {where}")


def _chosen(net: Network, penalty: Penalty) -> Iterator[Term]:
    """The parameters that a penalty is for; those without entries are left out."""
    chosen = _layers(net, penalty)
    names = _names(penalty, {name for i in chosen for name in net.shapes[i]})
    for i in chosen:
        for name, at in net.spans[i].each.items():
            if len(at) and (names is None or {name, _last(name)} & names):
                yield Term(penalty, i, name)


def _layers(net: Network, penalty: Penalty) -> list[int]:
    if penalty.layers is None:
        return list(range(len(net.layers)))
    where = f"penalty {penalty.name}: layers"
    given = _listed(penalty, "layers", "numbers of layers, such as [0, -1]")
    return sorted({number(k, net.shapes, net.describe, where) for k in given})


def _names(penalty: Penalty, known: set[str]) -> set[str] | None:
    if penalty.parameters is None:
        return None
    names = set()
    for name in _listed(penalty, "parameters", "names of parameters, such as [W]"):
        if name not in known | set(map(_last, known)):
            raise OptionError(f"penalty {penalty.name}: parameters: expected some of {sorted(known)}, got {name!r}")
        names.add(name)
    return names


def _listed(penalty: Penalty, option: str, expected: str) -> Sequence[Any]:
    value = getattr(penalty, option)
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence) or not value:
        raise OptionError(f"penalty {penalty.name}: {option}: expected {expected}, got {value!r}")
    return value


def _sum(values: Sequence[Array]) -> Array:
    return sum(values[1:], start=values[0])


def _last(name: str) -> str:
    return name.rpartition(".")[2]
