"""`prograd plugins`: which layers, losses and penalties are installed, who brings them, and what is broken."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd.commands.consoles import json_option, write_json
from prograd.plugins.discovery import Origin
from prograd.plugins.loading import BrokenPlugin, Plugin
from prograd.plugins.registry import Registry, registry
from prograd.tape.machine import advice
from prograd.testing.recording import YES, in_a_word, recordable
from prograd.units import seconds

Row = dict[str, str | None]

WORDS: Final = {"loss": "loss", "penalty": "penal"}
"""What the names of plugins of a kind have in them."""


@click.command()
@json_option
@click.option("--times", is_flag=True, help="List how long each plugin takes to load instead, the slowest first.")
def plugins(*, as_json: bool, times: bool) -> None:
    """List installed layers, losses and penalties, and broken plugins.

    Each is listed with the distribution that brings it, and a broken plugin with the reason. "recordable" says whether
    a tape runs it without Python, or what it asks for that no tape has. The exit code is 0 even if plugins are broken.
    """
    found = registry()
    if times:
        _show_times(_times(found), as_json=as_json)
        return
    rows = _rows(found)
    if as_json:
        write_json(rows)
    else:
        _show(rows)


def _times(found: Registry) -> list[dict[str, str | float]]:
    every: list[Plugin | BrokenPlugin] = [*found.plugins, *found.broken]
    return [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "status": "broken" if isinstance(plugin, BrokenPlugin) else "ok",
            "seconds": plugin.seconds,
        }
        for plugin in sorted(every, key=lambda plugin: -plugin.seconds)
    ]


def _show_times(rows: Sequence[Mapping[str, str | float]], *, as_json: bool) -> None:
    if as_json:
        write_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("plugin", no_wrap=True)
    for heading in ("distribution", "version", "status"):
        table.add_column(heading)
    for row in rows:
        cells = (str(row[key]) for key in ("name", "distribution", "version", "status"))
        table.add_row(seconds(float(row["seconds"])), *map(Text, cells))
    console = Console()
    console.print(table)
    console.print()
    total = seconds(sum(float(row["seconds"]) for row in rows))
    console.print(f"{total} in all; a module that several import counts for the first of them", highlight=False)


def _rows(found: Registry) -> list[Row]:
    rows = [
        _row(name, kind, plugin, recordable=recordable(found.kinds[kind][name]))
        for plugin in found.plugins
        for kind, names in plugin.kinds.items()
        for name in sorted(names)
    ]
    for plugin in found.broken:
        # What a broken plugin would have brought is unknown. The name of its entry point is all there is to go by.
        kind = next((kind for kind, word in WORDS.items() if word in plugin.name.lower()), "layer")
        rows.append(_row(plugin.name, kind, plugin, error=f"{plugin.error}\n{plugin.traceback}".strip()))
    return rows


def _row(name: str, kind: str, origin: Origin, *, recordable: str | None = None, error: str | None = None) -> Row:
    whose = {"distribution": origin.distribution, "version": origin.version}
    status = "ok" if error is None else "broken"
    return {"name": name, "kind": kind, **whose, "status": status, "recordable": recordable, "error": error}


def _show(rows: Sequence[Row]) -> None:
    """Print the table, and below it why each broken plugin is broken."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)  # a name that is cut short can't be typed
    for heading in ("kind", "distribution", "version", "status", "recordable"):
        table.add_column(heading)
    for row in rows:
        cells = [Text(row[key] or "") for key in ("name", "kind", "distribution", "version")]
        status = Text(row["status"] or "", style="red" if row["error"] else "green")
        table.add_row(*cells, status, Text(in_a_word(row["recordable"] or "")))
    console = Console()
    console.print(table)
    for row in rows:
        if row["recordable"] not in {None, YES}:
            console.print()
            console.print(Text(f"{row['name']}, recordable: {row['recordable']}", style="yellow"), soft_wrap=True)
    for row in rows:
        if row["error"]:
            console.print()
            console.print(Text(f"{row['name']} of {row['distribution']} {row['version']} is broken:", style="red"))
            console.print(Text(textwrap.indent(row["error"], "    ")), soft_wrap=True)
    if advice():
        console.print()
        console.print(advice(), markup=False, highlight=False, soft_wrap=True)
