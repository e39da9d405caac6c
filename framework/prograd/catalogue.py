"""The catalogue: what each registered layer, loss and penalty tells of itself, by docstring, options and blocks.

The first paragraph of a docstring is the formula. List items that begin with the name of an option, such as
"- `width`: the number of outputs.", tell what options mean; those of a loss named `z` and `y` tell its domain.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from prograd import checks
from prograd.arrays import Array
from prograd.errors import PluginError, UnknownNameError
from prograd.foreign import let_pass, reason
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.network import Network
from prograd.operators import Operator, Product
from prograd.operators.base import Sum
from prograd.options import Owner, plain
from prograd.penalty import Penalty
from prograd.plugins.loading import Kind
from prograd.plugins.registry import Registry, layer, loss, penalty
from prograd.testing.recording import recordable

MAKE: Final[Mapping[Kind, Callable[..., Owner]]] = MappingProxyType({"layer": layer, "loss": loss, "penalty": penalty})

REQUIRED: Final = "required"
ITEM: Final = re.compile(r"^\s*[-*]\s+`+(\w+)`+\s*:\s*(.*)$")
SAMPLES: Final = 2  # of an example, so that a map for each sample differs from one for all
LEAST: Final = 3  # inputs of the example that is shown, if there is one: fewer may be a special case
OF_A_LOSS: Final = ("z", "y")


@dataclass(frozen=True)
class Option:
    """An option of a layer, a loss or a penalty; `default` is what one would write, or `REQUIRED`."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Source:
    """Where a class comes from. `file` and `line` are empty and 0 where Python does not know them."""

    distribution: str
    version: str
    module: str
    file: str
    line: int


@dataclass(frozen=True)
class Block:
    """One of the blocks of a layer, or the hessian of a loss, with the multiply-adds of a product for one sample."""

    name: str
    structure: str
    rows: int
    cols: int
    shared: bool
    forward: int
    reverse: int

    @classmethod
    def of(cls, name: str, operator: Operator) -> Block:
        """What an operator for `SAMPLES` samples tells of itself."""
        forward, reverse = operator.jvp_multiply_adds(SAMPLES), operator.vjp_multiply_adds(SAMPLES)
        shared = operator.samples == 1
        return cls(
            name,
            structure(operator),
            operator.rows,
            operator.cols,
            shared,
            forward // SAMPLES,
            reverse // SAMPLES,
        )


@dataclass(frozen=True)
class Example:
    """A layer at an example, or the hessian of a loss: sizes, shapes of parameters, and blocks, `B` first.

    Of a penalty it has the size of the parameter, and no blocks.
    """

    shown: str
    n_in: int
    n_out: int
    parameters: Mapping[str, tuple[int, ...]]
    blocks: tuple[Block, ...]

    @property
    def forward(self) -> int:
        """Multiply-adds of the products `A dw + B dz`, for one sample."""
        return sum(block.forward for block in self.blocks)

    @property
    def reverse(self) -> int:
        """Multiply-adds of the products `A^T q` and `B^T q`, for one sample."""
        return sum(block.reverse for block in self.blocks)


@dataclass(frozen=True)
class Entry:
    """A layer, a loss or a penalty in the catalogue.

    `example` is None, and `problem` says why, where its example can't be evaluated. A loss also has its `domain`, what
    `z` and `y` are, and whether its labels are `checked`.
    """

    name: str
    kind: Kind
    formula: str
    notes: str
    options: tuple[Option, ...]
    source: Source
    recordable: str
    example: Example | None
    problem: str = ""
    domain: Mapping[str, str] = dataclasses.field(default_factory=dict)
    checked: bool = False

    @property
    def structure(self) -> str:
        """That of `B`, or of a loss's hessian; empty if there is none."""
        blocks = self.example.blocks if self.example else ()
        return blocks[0].structure if blocks else ""

    def as_json(self) -> dict[str, Any]:
        """The entry as plain data."""
        costs = {"forward": self.example.forward, "reverse": self.example.reverse} if self.example else {}
        return dataclasses.asdict(self) | {"structure": self.structure, **costs}


def entries(found: Registry) -> list[Entry]:
    """Every layer, then every loss, then every penalty, by name."""
    return [entry(found, kind, name) for kind, name in known(found)]


def known(found: Registry) -> list[tuple[Kind, str]]:
    """The kind and the name of everything there is."""
    return [(kind, name) for kind, every in found.kinds.items() for name in every]


def find(found: Registry, name: str, options: Mapping[str, Any] | None = None, n_in: int | None = None) -> list[Entry]:
    """The layer, the loss and the penalty of this name, with these options and inputs instead of those of an example.

    Raises `UnknownNameError`, and `OptionError` or `ShapeError` for options and inputs that it does not take.
    """
    kinds = [kind for kind, one in known(found) if one == name]
    if not kinds:
        raise UnknownNameError("layer, loss or penalty", name, {one for _, one in known(found)})
    return [entry(found, kind, name, MAKE[kind](name, **options) if options else None, n_in) for kind in kinds]


def structures(found: Registry) -> set[str]:
    """The structures of all blocks `B` and hessians."""
    examples = (_example(found.kinds[kind][name])[0] for kind, name in known(found))
    return {example.blocks[0].structure for example in examples if example and example.blocks}


def of_structure(found: Registry, wanted: str) -> list[Entry]:
    """The layers whose `B`, and the losses whose hessian, has this structure, or is a product of maps that have it.

    Raises `UnknownNameError` for a structure that none has.
    """
    chosen = [one for one in entries(found) if _folded(wanted) in {_folded(one.structure), *_common(one.structure)}]
    if not chosen:
        raise UnknownNameError("structure", wanted, structures(found))
    return chosen


def entry(found: Registry, kind: Kind, name: str, made: Owner | None = None, n_in: int | None = None) -> Entry:
    """What the catalogue tells of one of them, at `made` and `n_in`, or at an example. Raises as `find` does."""
    cls: type[Owner] = found.kinds[kind][name]
    formula, notes, items = told(cls)
    example, problem = _example(cls, made, n_in)
    return Entry(
        name,
        kind,
        formula,
        notes,
        options_of(cls),
        _source(found, kind, name, cls),
        recordable(cls),
        example,
        problem,
        {key: items.get(key, "") for key in OF_A_LOSS} if kind == "loss" else {},
        issubclass(cls, Loss) and cls.check is not Loss.check,
    )


def told(cls: type[object]) -> tuple[str, str, dict[str, str]]:
    """The formula, the notes and the items of a docstring; items of the classes that it inherits from count too."""
    items: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        items |= _parts(_docstring(base))[2]
    formula, notes, _ = _parts(_docstring(cls))
    return formula, notes, items


def options_of(cls: type[Owner]) -> tuple[Option, ...]:
    """The options of a layer, a loss or a penalty, in the order in which they are given."""
    return tuple(_options(cls, told(cls)[2]))


def untold(cls: type[Owner]) -> list[str]:
    """What a docstring leaves untold: the formula, options, and the domain of a loss."""
    formula, _, items = told(cls)
    expected = [option.name for option in options_of(cls)] + list(OF_A_LOSS if issubclass(cls, Loss) else ())
    return ["the formula"] * (not formula) + [name for name in expected if not items.get(name)]


def structure(operator: Operator) -> str:
    """The operator's own name; `Diagonal @ Dense` and `Identity + Dense` for products and sums."""
    if isinstance(operator, Product):
        return " @ ".join(_in_a_product(factor) for factor in operator.factors)
    if isinstance(operator, Sum):
        return f"{structure(operator.left)} + {structure(operator.right)}"
    return type(operator).__name__


def _in_a_product(factor: Operator) -> str:
    return f"({structure(factor)})" if isinstance(factor, Sum) else structure(factor)


def _docstring(cls: type[object]) -> str:
    """The docstring that the author wrote: a dataclass without one gets its signature from Python."""
    doc = inspect.cleandoc(vars(cls).get("__doc__") or "")
    return "" if doc.startswith(f"{cls.__name__}(") else doc


def _parts(doc: str) -> tuple[str, str, dict[str, str]]:
    formula, _, rest = doc.partition("\n\n")
    notes: list[str] = []
    items: dict[str, str] = {}
    item = ""
    for line in rest.splitlines():
        start = ITEM.match(line)
        if start:
            item = start[1]
            items[item] = start[2]
        elif item and line.startswith(" "):
            items[item] += f" {line.strip()}"
        else:
            item = ""
            notes.append(line)
    return " ".join(formula.split()), "\n".join(notes).strip(), items


def _options(cls: type[Owner], meanings: Mapping[str, str]) -> Iterator[Option]:
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    made = {field.name for field in fields if field.default_factory is not dataclasses.MISSING}
    simple = plain(cls).known
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        default = repr(parameter.default)
        if name in made:
            default = repr(simple[name]) if name in simple else "made anew"
        elif parameter.default is parameter.empty:
            default = REQUIRED
        kind = "" if parameter.annotation is parameter.empty else inspect.formatannotation(parameter.annotation)
        yield Option(name, kind.strip("'"), default, meanings.get(name, ""))


def _source(found: Registry, kind: Kind, name: str, cls: type[object]) -> Source:
    owner = found.owner(kind, name)
    try:
        file, line = inspect.getsourcefile(cls) or "", inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        file, line = "", 0
    return Source(owner.distribution, owner.version, cls.__module__, file, line)


def _example(cls: type[Owner], made: Any = None, n_in: int | None = None) -> tuple[Example | None, str]:
    """The example, or why there is none. Raises what goes wrong where options or inputs are given."""
    try:
        if issubclass(cls, Layer):
            return _of_layer(cls, made, n_in), ""
        return (_of_loss(cls, made) if issubclass(cls, Loss) else _of_penalty(cls, made)), ""
    except BaseException as error:
        let_pass(error)
        if made is not None or n_in is not None:
            raise
        return None, reason(error)


def _of_layer(cls: type[Layer], made: Any, n_in: int | None) -> Example:
    points: list[Array] = []
    if made is None or n_in is None:
        examples = list(cls.examples())
        chosen, size, *points = next((one for one in examples if one[1] >= LEAST), examples[0])
        made, n_in = made or chosen, n_in or size
    net = Network([made], n_in)
    (w,) = net.unpack(net.init(0))
    z = np.random.default_rng(0).normal(size=(SAMPLES, net.n[0]))
    if points and net.n[0] == size:  # the layer is not defined everywhere
        z = np.resize(points[0], z.shape)
    with np.errstate(all="ignore"):
        A, B = checks.block(net, 0, made.jacobian(w, z, made.g(w, z)), SAMPLES)
    blocks = (Block.of("B", B), *(Block.of(f"A[{name}]", block) for name, block in A.items()))
    return Example(repr(made), net.n[0], net.n[1], net.shapes[0], blocks)


def _of_loss(cls: type[Loss], made: Any) -> Example:
    example, z, y = next(iter(cls.examples()))
    shown = made or example
    z, y = (np.broadcast_to(np.atleast_2d(a)[:1], (SAMPLES, np.shape(a)[-1])) for a in (z, y))
    blocks: tuple[Block, ...] = ()
    if cls.hessian is not Loss.hessian:
        with np.errstate(all="ignore"):
            H = shown.hessian(z, y)
        if not isinstance(H, Operator):
            raise PluginError(f"loss {shown.name}: expected hessian to give an operator, got {type(H).__name__}")
        blocks = (Block.of("hessian", H),)
    return Example(repr(shown), z.shape[1], z.shape[1], {}, blocks)


def _of_penalty(cls: type[Penalty], made: Any) -> Example:
    example, w = next(iter(cls.examples()))
    return Example(repr(made or example), w.size, w.size, {}, ())


def _common(of_a_product: str) -> set[str]:
    """The structure that all factors have, if there is one."""
    each = {_folded(factor) for factor in of_a_product.split(" @ ")}
    return each if len(each) == 1 else set()


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).lower()
