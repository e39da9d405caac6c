"""The tables, sections and plots of the page `catalogue.md`, made from what `prograd show` prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import prograd
from prograd import Array, Elementwise, Loss
from prograd.catalogue import Entry, Example, entries

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = Path(__file__).parents[1] / "_generated"
TEXT = FOLDER / "catalogue.txt"  # what the page includes; no page of its own
PLOTS = FOLDER / "catalogue"
SPECIAL = re.compile(r"([\\*_\[\]<>$|#])")
NONE = "none"  # where there is no operator; it comes after the names of operators, which begin with a capital
RANGE, POINTS = 5.0, 401  # of the inputs of a plot, on both sides of 0
HIGHEST = 2 * RANGE  # values of a loss that are drawn
STYLES = (("#2f7ed8", "-"), ("#e0703a", "--"))


def page(found: Sequence[Entry], plotted: Mapping[str, Plot]) -> str:
    """The text in MyST: a table sorted by structure, then a section for each layer, each loss and each penalty."""
    parts = [overview(found)]
    for kind, heading in (("layer", "## Layers"), ("loss", "## Losses"), ("penalty", "## Penalties")):
        parts += [heading, *(section(one, plotted.get(one.name)) for one in found if one.kind == kind)]
    return "\n\n".join(parts) + "\n"


def overview(found: Sequence[Entry]) -> str:
    """A row for each layer, loss and penalty, sorted by the structure of `B` or of the hessian."""
    rows = [["`B` or hessian", "name", "formula", "`A`", "cost"]]
    for one in sorted(found, key=lambda one: (one.structure or NONE, one.kind, one.name)):
        blocks = one.example.blocks[1:] if one.example else ()
        costs = {f"{cost:,}": None for cost in (one.example.forward, one.example.reverse)} if one.example else {}
        structures = ", ".join(dict.fromkeys(block.structure for block in blocks))
        link = f"[{one.name}](#{anchor(one)}), a {one.kind}"
        rows.append([one.structure or NONE, link, escaped(one.formula), structures, " and ".join(costs)])
    return table(rows, ":class: catalogue", ":widths: 20 16 42 14 8")


def section(one: Entry, plot: Plot | None = None) -> str:
    """All that there is to tell of one of them."""
    parts = [f"({anchor(one)})=\n### {one.name}", escaped(one.formula), escaped(one.notes)]
    if plot:
        alt = f":alt: {one.name} and its derivative"
        parts.append(f"```{{figure}} /_generated/catalogue/{one.name}.svg\n{alt}\n:width: 26em\n\n{plot.caption}\n```")
    if one.domain:
        checked = "They are checked when an objective is built." if one.checked else "They are not checked."
        parts.append(f"- outputs `z`: {escaped(one.domain['z'])}\n- labels `y`: {escaped(one.domain['y'])} {checked}")
    if one.options:
        rows = [[f"`{o.name}`", f"`{o.type}`", f"`{o.default}`", escaped(o.meaning)] for o in one.options]
        parts.append(table([["option", "type", "default", "meaning"], *rows]))
    if one.example and one.example.blocks:
        parts.append(blocks(one.example, one.kind))
    recorded = "It can be recorded" if one.recordable == "yes" else f"It can't be recorded: {escaped(one.recordable)}"
    parts.append(f"{recorded}; it comes from `{one.source.module}`, {one.source.distribution} {one.source.version}.")
    return "\n\n".join(part for part in parts if part)


def blocks(example: Example, kind: str) -> str:
    """The sizes of the example, and a row for each operator."""
    outputs = f"{example.n_out} outputs"
    sizes = f"{example.n_in} inputs and {outputs}" if kind == "layer" else outputs
    rows = [["block", "parameter", "operator", "size", "map", "forward", "reverse"]]
    for block in example.blocks:
        shape = example.parameters.get(block.name[2:-1])
        map_ = "shared" if block.shared else "per sample"
        costs = [f"{block.forward:,}", f"{block.reverse:,}"]
        size = f"{block.rows} × {block.cols}"
        rows.append([f"`{block.name}`", f"`{shape}`" if shape else "", f"`{block.structure}`", size, map_, *costs])
    return f"At `{example.shown}`, {sizes}:\n\n{table(rows)}"


def table(rows: Sequence[Sequence[str]], *options: str) -> str:
    """A table in MyST, whose cells may hold anything but a line break."""
    head = "\n".join(["```{list-table}", ":header-rows: 1", *options])
    lines = [f"{'* ' if k == 0 else '  '}- {cell}".rstrip() for row in rows for k, cell in enumerate(row)]
    return "\n".join([head, "", *lines, "```"])


def anchor(one: Entry) -> str:
    """The label of a section."""
    return f"{one.kind}-{one.name.replace('_', '-')}"


def escaped(text: str) -> str:
    """The text of a docstring as it reads: only what stands between backticks is code."""
    parts = text.split("`")
    return "`".join(part if k % 2 else SPECIAL.sub(r"\\\1", part) for k, part in enumerate(parts))


class Plot(NamedTuple):
    """A function and its derivative at `t`, with their labels, and a sentence on what varies."""

    t: Array
    curves: Mapping[str, Array]
    caption: str = ""


def plots(found: Sequence[Entry]) -> dict[str, Plot]:
    """Those of activations and losses, as they are at their first examples."""
    made: dict[str, Plot] = {}
    for one in found:
        if one.kind == "loss":
            made[one.name] = of_loss(*next(prograd.registry().losses[one.name].examples()))
        elif one.kind == "layer":
            layer, *_ = next(prograd.registry().layers[one.name].examples())
            made |= {one.name: of_activation(layer)} if isinstance(layer, Elementwise) else {}
    return made


def of_activation(activation: Elementwise) -> Plot:
    """φ and φ'."""
    t = np.linspace(-RANGE, RANGE, POINTS)
    z = t[:, None]
    with np.errstate(all="ignore"):  # the function may not be defined everywhere
        g = activation.phi(z)
        return Plot(t, {"φ": g[:, 0], "φ'": activation.dphi(z, g)[:, 0]})


def of_loss(loss: Loss, z: Array, y: Array) -> Plot:
    """ℓ and its slope as the first output of a sample varies; points outside the domain are left out."""
    t = np.linspace(-RANGE, RANGE, POINTS)
    at, label = np.tile(z[0], (POINTS, 1)), np.tile(y[0], (POINTS, 1))
    at[:, 0] = t
    value, slope = loss.value(at, label), loss.gradient(at, label)[:, 0]
    rest = ", ".join(f"{each:g}" for each in z[0, 1:])
    shown = ", ".join(f"{each:g}" for each in y[0])
    curves = {"ℓ": value, "∂ℓ/∂z₁": slope}
    inside = {name: np.where(np.abs(curve) <= HIGHEST, curve, np.nan) for name, curve in curves.items()}
    return Plot(t, inside, f"As z₁ varies, at z = (z₁, {rest}) and y = ({shown}).")


def draw(plot: Plot, file: Path) -> None:
    """Draw both curves on a transparent ground, in colours that stand out from light and from dark pages."""
    figure = Figure(figsize=(4.2, 2.4), layout="constrained")
    axes = figure.subplots()
    for (label, curve), (colour, style) in zip(plot.curves.items(), STYLES, strict=True):
        axes.plot(plot.t, curve, color=colour, linestyle=style, label=label)
    axes.grid(color="#888888", alpha=0.3)
    axes.tick_params(colors="#888888")
    axes.spines[:].set_color("#888888")
    axes.legend(frameon=False, labelcolor="#888888")
    with mpl.rc_context({"svg.hashsalt": file.stem}):  # so that the same plot is the same file
        figure.savefig(file, transparent=True, metadata={"Date": None})


def write(app: Sphinx | None = None) -> None:
    """Write the text and its plots."""
    shutil.rmtree(PLOTS, ignore_errors=True)
    PLOTS.mkdir(parents=True)
    ours = [one for one in entries(prograd.registry()) if one.source.distribution == "prograd"]
    plotted = plots(ours)
    for name, plot in plotted.items():
        draw(plot, PLOTS / f"{name}.svg")
    TEXT.write_text(page(ours, plotted), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the page before Sphinx looks which pages there are."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
