"""A network: the sizes of a progressive function, the order of `w`, and `h_x(w)`."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from prograd import options
from prograd.arrays import Array, RecordingArray, as_real, real_dtype
from prograd.chosen import Names, Wanted, names
from prograd.errors import NonFiniteError, OptionError, PluginError, ShapeError, UnknownNameError, instance_hint
from prograd.layer import Layer, Parameters
from prograd.plugins.registry import layer as registered_layer


@dataclass(frozen=True)
class Span:
    """Which entries of `w` a layer owns: `all` of them, and `each` parameter's."""

    all: range
    each: Mapping[str, range]


NO_COLUMNS: Final = Span(range(0), {})
SHOWN: Final = 24  # layers, at most, in the repr of a network


def slices(p: Array, spans: Sequence[Span]) -> list[dict[str, Array]]:
    """The entries of each parameter in the last axis of `p`, which is ordered like `w`: flat views."""
    return [{name: p[..., at.start : at.stop] for name, at in span.each.items()} for span in spans]


class Network:
    """`h_x(w) = g_L(w^L; … g_1(w^1; x))`, with `w = (w^L; …; w^1)` one flat vector, newest layer first.

    `n` are the sizes `n_1 … n_{L+1}`, `r` the numbers of parameters `r_1 … r_L`, and `size` is their sum. For each
    layer, `shapes` has the shapes of the parameters, and `spans` their places in `w`. `checked` says whether the layers
    are known to return what they declare. This depends on neither `w` nor `x`, so one check is enough. `chosen` is None
    unless derivatives are by some of the parameters (see `Part`). Raises `ShapeError` for an empty network, and if a
    layer can't take the outputs of the layer before it.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> net.n, net.r, net.size
    ((3, 2, 2), (8, 0), 8)
    >>> w = net.init(0)
    >>> net(w, np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(self, layers: Sequence[Layer], n_in: int) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ShapeError("layers: expected at least one layer, got none")
        n, shapes = [_positive(n_in)], []
        for i, layer in enumerate(self.layers):
            n_out, shapes_i = _shapes(i, layer, n[-1])
            n.append(n_out)
            shapes.append(shapes_i)
        self.n = tuple(n)
        self.shapes = tuple(shapes)
        self.r = tuple(sum(map(math.prod, shapes_i.values())) for shapes_i in shapes)
        self.size = sum(self.r)
        self.checked = False
        self.chosen: Names | None = None
        self.kept: dict[type, Any] = {}
        self._held: set[np.dtype[Any]] = set()
        self.spans = tuple(_spans(shapes, self.size))
        self._views = [
            [
                (name, slice(at.start, at.stop), shape)
                for (name, at), shape in zip(span.each.items(), s.values(), strict=True)
            ]
            for span, s in zip(self.spans, shapes, strict=True)
        ]

    @classmethod
    def from_config(cls, configs: Sequence[str | Mapping[str, Any] | Layer], n_in: int) -> Network:
        """A network of registered layers: each config is `{"name": …, **options}`, a bare name, or a `Layer`.

        Raises `UnknownNameError`, `OptionError` and `ShapeError`, which name the layer.

        >>> prograd.Network.from_config([{"name": "affine", "width": 32}, "tanh"], n_in=64).n
        (64, 32, 32)
        """
        return cls(layers_from_config(configs), n_in)

    def with_layers(self, layers: Sequence[Layer]) -> Self:
        """The network with other layers of the same shapes."""
        made = copy.copy(self)
        made.layers = tuple(layers)
        made.kept = {kind: kept for kind, kept in self.kept.items() if kind is not Part}
        return made

    def names(self, wanted: Wanted, where: str = "layers") -> Names:
        """The parameters that are wanted, by layer. Raises `OptionError` for what the network does not have."""
        return names(wanted, self.shapes, self.describe, where)

    def entries(self, layers: Wanted) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Where the parameters of these layers are in `w`: `w[net.entries([0, 2])]` is in the order of `w`, too.

        An item of `layers` is the number of a layer, or a pair `(number, name)` for one of its parameters.

        >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("affine", width=1)], n_in=3)
        >>> net.entries([1, (0, "b")])
        array([ 0,  1,  2,  9, 10])
        """
        chosen = self.names(layers)
        ranges = [span.each[name] for span, some in zip(self.spans, chosen, strict=True) for name in some]
        return np.sort(np.concatenate([np.arange(at.start, at.stop, dtype=np.intp) for at in ranges]))

    def part(self, chosen: Names, first: int) -> Part:
        """The layers from `first` on, by the chosen of their parameters alone."""
        parts: dict[tuple[Names, int], Part] = self.kept.setdefault(Part, {})
        if (chosen, first) not in parts:
            parts[chosen, first] = Part(self, chosen, first)
        return parts[chosen, first]

    def __call__(self, w: ArrayLike, x: ArrayLike) -> Array:
        """`h_x(w)`: `(N, n_1) -> (N, n_{L+1})`, or `(n_1,) -> (n_{L+1},)` for one sample."""
        w, x, one = self.check(w, x)
        z = self.evaluate(self.unpack(w), x)
        return z[0] if one else z

    def evaluate(self, parameters: Sequence[Parameters], x: Array) -> Array:
        """`h_x(w)` from unpacked parameters and checked samples `(N, n_1)`.

        Raises `PluginError` if the output of a layer does not have the declared shape.
        """
        z = x
        for i, (layer, w_i) in enumerate(zip(self.layers, parameters, strict=True)):
            z = layer.g(w_i, z)
            if np.shape(z) != (len(x), self.n[i + 1]):
                raise PluginError(
                    f"{self.describe(i)}: expected g to give shape {(len(x), self.n[i + 1])}, got {np.shape(z)}"
                )
        return z

    def init(self, rng: np.random.Generator | int | None = None) -> Array:
        """Starting values for `w`, from the `init` of each layer."""
        rng = np.random.default_rng(rng)
        return self.pack([layer.init(rng, n_in) for layer, n_in in zip(self.layers, self.n, strict=False)])

    def unpack(self, w: Array) -> list[Parameters]:
        """The parameters of each layer, in order of application, as views into `w`. Raises `ShapeError`.

        >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=1)
        >>> net.unpack(np.array([1.0, 2.0, 3.0, 4.0]))
        [{'W': array([[1.],
               [2.]]), 'b': array([3., 4.])}, {}]
        """
        masked = isinstance(w, np.ma.MaskedArray)
        if np.shape(w) != (self.size,) or masked or not isinstance(w, (np.ndarray, RecordingArray)):
            raise ShapeError(f"w: expected an array of shape ({self.size},), got {type(w).__name__} {np.shape(w)}")
        return [Parameters([(name, w[at].reshape(shape)) for name, at, shape in views]) for views in self._views]

    def pack(self, parameters: Sequence[Mapping[str, ArrayLike]]) -> Array:
        """One vector `w` from the parameters of each layer; the inverse of `unpack`. Raises `ShapeError`.

        >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=1)
        >>> net.pack([{"W": [[1], [2]], "b": [3, 4]}, {}])
        array([1., 2., 3., 4.])
        """
        if len(parameters) != len(self.layers):
            raise ShapeError(f"parameters: expected those of {len(self.layers)} layers, got {len(parameters)}")
        arrays = [self._checked(i, given) for i, given in enumerate(parameters)]
        w = np.empty(self.size, real_dtype(*(a for arrays_i in arrays for a in arrays_i.values())))
        for views, arrays_i in zip(self.unpack(w), arrays, strict=True):
            for name, view in views.items():
                view[...] = arrays_i[name]
        return w

    def describe(self, i: int) -> str:
        """The name of layer i in messages."""
        return describe(range(len(self.layers))[i], self.layers[i])

    def check(self, w: ArrayLike, x: ArrayLike) -> tuple[Array, Array, bool]:
        """`w` and `x` in one dtype, `x` with a sample axis, and whether `x` had none.

        Raises `ShapeError` and `NonFiniteError`.
        """
        x, one = self.check_x(x)
        w = self.check_w(w)
        dtype = real_dtype(w, x)
        self.check_options(dtype)
        return w.astype(dtype, copy=False), x.astype(dtype, copy=False), one

    def check_x(self, x: ArrayLike) -> tuple[Array, bool]:
        """`x` as `(N, n_1)`, and whether it was one sample `(n_1,)`."""
        x = as_real(x, "x")
        if x.ndim == 2 and len(x) == 0:
            raise ShapeError(f"x: expected at least one sample, got shape {x.shape}")
        if x.ndim not in (1, 2) or x.shape[-1] != self.n[0] or x.size == 0:
            raise ShapeError(
                f"x: expected (N, {self.n[0]}) or ({self.n[0]},), for the inputs of {self.describe(0)}, "
                f"got shape {x.shape}"
            )
        check_finite(x, "x")
        return np.atleast_2d(x), x.ndim == 1

    def check_w(self, w: ArrayLike) -> Array:
        """`w` as a contiguous vector of `size` finite numbers."""
        w = as_real(w, "w")
        if w.shape != (self.size,):
            parts = " + ".join(f"{r_i} ({layer.name})" for layer, r_i in zip(self.layers, self.r, strict=True) if r_i)
            raise ShapeError(f"w: expected shape ({self.size},) = {parts or 'no parameters'}, got {w.shape}")
        if not is_finite(w):
            raise NonFiniteError(self._non_finite_parameter(w))
        return np.ascontiguousarray(w)

    def check_options(self, dtype: np.dtype[Any]) -> None:
        """Raises `OptionError` where a layer has an option that numbers of this type can't hold."""
        if dtype not in self._held:
            for i, layer in enumerate(self.layers):
                options.check_range(layer, dtype, f"layers[{i}] ")
            self._held.add(dtype)

    def __repr__(self) -> str:
        parts = [f"{g.name} → {n}" for g, n in zip(self.layers, self.n[1:], strict=True)]
        if len(parts) > SHOWN:
            parts[SHOWN // 2 : -SHOWN // 2] = [f"… ({len(parts)} layers)"]
        chain = " → ".join([str(self.n[0]), *parts])
        return f"Network({chain}; {self.size} parameters)"

    def _checked(self, i: int, given: Mapping[str, ArrayLike]) -> dict[str, Array]:
        expected = self.shapes[i]
        if not isinstance(given, Mapping):
            got = type(given).__name__
            raise ShapeError(f"{self.describe(i)}: expected a dict of the parameters {sorted(expected)}, got {got}")
        if set(given) != set(expected):
            raise ShapeError(f"{self.describe(i)}: expected parameters {sorted(expected)}, got {sorted(given)}")
        arrays = {name: as_real(a, f"{self.describe(i)}: {name}") for name, a in given.items()}
        for name, a in arrays.items():
            if a.shape != expected[name]:
                raise ShapeError(f"{self.describe(i)}: expected {name} of shape {expected[name]}, got {a.shape}")
        return arrays

    def _non_finite_parameter(self, w: Array) -> str:
        for i, parameters in enumerate(self.unpack(w)):
            for name, a in parameters.items():
                if not np.isfinite(a).all():
                    at = tuple(int(k) for k in np.argwhere(~np.isfinite(a))[0])
                    return f"w: expected finite numbers, got {a[at]} in {self.describe(i)}, {name}{list(at)}"
        return "w: expected finite numbers"


class Part(Network):
    """The last layers of a network, whose derivatives are by the `chosen` parameters alone.

    `spans`, `r` and `size` are those of the chosen parameters, `shapes` of all that the layers need.
    """

    def __init__(self, net: Network, chosen: Names, first: int) -> None:
        vars(self).update(vars(net))
        self.layers, self.n, self.shapes = net.layers[first:], net.n[first:], net.shapes[first:]
        self.chosen, self.kept = chosen[first:], {}
        shapes = [{name: of[name] for name in some} for of, some in zip(self.shapes, self.chosen, strict=True)]
        self.r = tuple(sum(map(math.prod, of.values())) for of in shapes)
        self.size = sum(self.r)
        self.spans = tuple(_spans(shapes, self.size))


def layers_from_config(configs: Sequence[str | Mapping[str, Any] | Layer]) -> list[Layer]:
    """Registered layers from configs `{"name": …, **options}` or bare names; a `Layer` stays what it is.

    >>> prograd.layers_from_config([{"name": "affine", "width": 8}, "relu"])
    [Affine(width=8, bias=True), Relu()]
    """
    if isinstance(configs, (str, Mapping)):
        raise OptionError(f"layers: expected a list of layers, got {configs!r}")
    return [config if isinstance(config, Layer) else _from_config(i, config) for i, config in enumerate(configs)]


def describe(i: int, layer: Layer) -> str:
    """The name of layer i in messages."""
    return f"layers[{i}] ({layer.name})"


def is_finite(a: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    # One pass without a temporary array, and without a warning if a sum overflows. vdot is faster, but from 10,000
    # entries on OpenBLAS starts its threads for it, which pays for large networks only.
    total = np.einsum("i->", a.ravel()) if 2**13 < a.size < 2**19 else np.vdot(a, a)
    return math.isfinite(total) or bool(np.isfinite(a).all())


def check_finite(a: Array, what: str) -> None:
    """Raises `NonFiniteError` that names the first entry that is NaN or infinite."""
    finite = np.isfinite(a)
    if not finite.all():
        at = tuple(int(k) for k in np.argwhere(~finite)[0])
        raise NonFiniteError(f"{what}: expected finite numbers, got {a[at]} at {list(at)}")


def _from_config(i: int, config: str | Mapping[str, Any]) -> Layer:
    if isinstance(config, str):
        config = {"name": config}
    if not isinstance(config, Mapping) or "name" not in config:
        raise OptionError(
            f"layers[{i}]: expected a config with a name, such as {{'name': 'affine', 'width': 64}}, or a bare name, "
            f"got {config!r}"
        )
    options = {str(key): value for key, value in config.items() if key != "name"}
    try:
        return registered_layer(str(config["name"]), **options)
    except UnknownNameError as error:
        raise UnknownNameError(f"layers[{i}]", error.unknown, error.known, error.note) from None
    except (OptionError, ShapeError) as error:
        msg = f"layers[{i}]: {error}"
        raise type(error)(msg) from error


def _positive(n_in: int) -> int:
    if not isinstance(n_in, (int, np.integer)) or isinstance(n_in, bool) or n_in < 1:
        raise ShapeError(f"n_in: expected a positive integer, got {n_in!r}")
    return int(n_in)


def _shapes(i: int, layer: Layer, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
    if not isinstance(layer, Layer):
        hint = (
            "; use prograd.layer(name, …) or Network.from_config"
            if isinstance(layer, (str, Mapping))
            else instance_hint(layer)
        )
        raise ShapeError(f"layers[{i}]: expected a Layer, got {layer!r}{hint}")
    try:
        n_out, given = layer.shapes(n_in)
        shapes = {name: tuple(map(operator.index, shape)) for name, shape in given.items()}
    except ShapeError as error:
        raise ShapeError(f"{describe(i, layer)} can't take {n_in} inputs: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PluginError(
            f"{describe(i, layer)}: expected shapes({n_in}) to give (n_out, {{name: shape}}) with integers: {error}"
        ) from error
    if not isinstance(n_out, (int, np.integer)) or n_out < 1:
        raise ShapeError(f"{describe(i, layer)}: expected a positive number of outputs, got {n_out!r}")
    for name, shape in shapes.items():
        if not isinstance(name, str) or min(shape, default=0) < 0:
            raise PluginError(
                f"{describe(i, layer)}: expected a name and a shape of each parameter, got {name!r} and {shape}"
            )
        if hasattr(dict, name):  # w.name would be the method of that name, not the parameter
            raise PluginError(f"{describe(i, layer)}: a parameter can't be named {name!r}, which is a method of dict")
    return int(n_out), shapes


def _spans(shapes: Sequence[Mapping[str, tuple[int, ...]]], size: int) -> list[Span]:
    spans, stop = [], size
    for shapes_i in shapes:
        start = stop - sum(map(math.prod, shapes_i.values()))
        each, at = {}, start
        for name, shape in shapes_i.items():
            each[name] = range(at, at + math.prod(shape))
            at = each[name].stop
        spans.append(Span(range(start, stop), each))
        stop = start
    return spans
