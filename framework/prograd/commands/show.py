"""`prograd show`: the catalogue of layers, losses and penalties, one of them or all."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prograd import catalogue
from prograd.catalogue import Entry, Example
from prograd.commands import completion
from prograd.commands.consoles import json_option, write_json
from prograd.commands.networks import options_of
from prograd.plugins.registry import registry

UNTOLD = "its docstring does not tell"


@click.command()
@click.argument("name", required=False, shell_complete=completion.everything)
@click.argument("options", metavar="[OPTION=VALUE …]", nargs=-1, shell_complete=completion.options)
@click.option("--n-in", type=click.IntRange(1), help="Inputs of the layer, instead of its example's.")
@click.option(
    "--structure",
    shell_complete=completion.structures,
    help="List the layers whose B, and the losses whose hessian, is such an operator.",
)
@json_option
def show(*, name: str | None, options: tuple[str, ...], n_in: int | None, structure: str | None, as_json: bool) -> None:
    r"""Tell of a layer, a loss or a penalty, or list them all.

    \b
        prograd show affine
        prograd show affine width=32 --n-in 64
        prograd show --structure diagonal

    It tells the formula, the options and what they mean, where it comes from, and whether it can be recorded. Of a
    layer it also tells, at an example or at the options and inputs that are given: the parameters, the operators that
    are its blocks A and B, and the multiply-adds of a product with each, for one sample. Of a loss: its domain and its
    hessian.

    Exit code 2: unknown name, or no operator of that structure.
    """
    if name is None and n_in is not None:
        raise click.UsageError("--n-in: expected the name of a layer with it, got none")
    if name is not None and structure is not None:
        raise click.UsageError("--structure lists layers and losses: expected no name with it")
    if name is not None:
        found = catalogue.find(registry(), name, options_of(options, name), n_in)
    else:
        found = catalogue.of_structure(registry(), structure) if structure else catalogue.entries(registry())
    if as_json:
        write_json([entry.as_json() for entry in found])
    elif name is None:
        _list(found)
    else:
        for entry in found:
            _tell(entry)


def _list(found: Sequence[Entry]) -> None:
    table = _table("name", "kind", "B, or hessian", "formula")
    for entry in found:
        table.add_row(*map(Text, (entry.name, entry.kind, entry.structure, entry.formula)))
    Console().print(table)


def _tell(entry: Entry) -> None:
    console = Console()
    console.print(Text(f"{entry.name}, a {entry.kind}", style="bold"))
    for paragraph in (entry.formula or UNTOLD, entry.notes):
        if paragraph:
            console.print()
            console.print(Padding(Text(paragraph), (0, 0, 0, 4)))
    console.print()
    for key, value in _facts(entry).items():
        console.print(Text(f"{key:<12}{value}"), soft_wrap=True)
    if entry.options:
        console.print()
        table = _table("option", "type", "default", "meaning")
        for option in entry.options:
            table.add_row(*map(Text, (option.name, option.type, option.default, option.meaning or UNTOLD)))
        console.print(table)
    if entry.example and entry.kind != "penalty":
        console.print()
        _blocks(console, entry.example, entry.kind)


def _facts(entry: Entry) -> dict[str, str]:
    source = entry.source
    facts = {"from": f"{source.distribution} {source.version}, {source.module}"}
    if source.file:
        facts["file"] = f"{source.file}:{source.line}"
    facts |= {"recordable": entry.recordable}
    facts |= {key: meaning or UNTOLD for key, meaning in entry.domain.items()}
    if entry.kind == "loss":
        facts["labels"] = "checked when an objective is built" if entry.checked else "not checked"
    return facts | {"example": entry.example.shown if entry.example else f"can't be evaluated: {entry.problem}"}


def _blocks(console: Console, example: Example, kind: str) -> None:
    """A table of the operators, below a line with the size of the example."""
    sizes = f"{example.n_in} inputs, {example.n_out} outputs" if kind == "layer" else f"{example.n_in} outputs"
    if not example.blocks:
        console.print(Text(f"For {sizes}: no hessian, so no Gauss-Newton."))
        return
    console.print(Text(f"For {sizes}, with the multiply-adds of a product for one sample:"))
    console.print()
    table = _table("block", "parameter", "operator", "size", "map")
    for heading in ("forward", "reverse"):
        table.add_column(heading, justify="right")
    for block in example.blocks:
        shape = example.parameters.get(block.name[2:-1])
        size, map_ = f"{block.rows} × {block.cols}", "shared" if block.shared else "per sample"
        cells = (block.name, str(shape or ""), block.structure, size, map_, f"{block.forward:,}", f"{block.reverse:,}")
        table.add_row(*map(Text, cells))
    if len(example.blocks) > 1:
        table.add_row("all", "", "", "", "", f"{example.forward:,}", f"{example.reverse:,}")
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading in {"name", "option"})  # a name that is cut short can't be typed
    return table
