"""What a shell completes: the names of layers, losses and penalties, their options, and the structures of blocks.

Each is for the `shell_complete` of an argument or an option of click's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from prograd import catalogue
from prograd.plugins.registry import registry

Completion = Callable[[click.Context, click.Parameter, str], list[str]]


def _of(words: Callable[[click.Context], Iterable[str]]) -> Completion:
    """Completes what begins like one of the words, in any case."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        return sorted(word for word in words(ctx) if word.lower().startswith(incomplete.lower()))

    return complete


def _options(ctx: click.Context) -> set[str]:
    """The options of what the argument `name` names, each with its `=`."""
    name, found = str(ctx.params.get("name")), registry()
    classes = [every[name] for every in found.kinds.values() if name in every]
    return {f"{option.name}=" for cls in classes for option in catalogue.options_of(cls)}


layers = _of(lambda _: registry().layers)
losses = _of(lambda _: registry().losses)
everything = _of(lambda _: {name for names in registry().kinds.values() for name in names})
options = _of(_options)
structures = _of(lambda _: {name.replace(" ", "") for name in catalogue.structures(registry())})  # a word for the shell
