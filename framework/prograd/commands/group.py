"""The `prograd` command: a group of all commands installed under the entry-point group `prograd.commands`."""

from __future__ import annotations

from typing import Any, Final

import click

import prograd
from prograd.commands.consoles import write_anything
from prograd.commands.refusals import one_line
from prograd.errors import UnknownNameError
from prograd.foreign import let_pass, listening, reason
from prograd.plugins import discovery

GROUP: Final = "prograd.commands"
WHOLE: Final = 1_000  # characters of a first sentence, which is all that it has


class Commands(click.Group):
    """Commands from entry points, prograd's own among them. Each is imported only when it is used."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line, on any console."""
        write_anything()
        with listening():
            return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_sources())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        source = _sources().get(cmd_name)
        return None if source is None else _load(source)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """The context, from a command line whose mistakes become messages of one line."""
        with one_line():
            return super().make_context(*args, **options)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _sources() and not ctx.resilient_parsing:
            raise UnknownNameError("command", args[0], _sources())
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each command with its first sentence, which click would cut to fit."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, found.get_short_help_str(WHOLE)) for name, found in commands if found and not found.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. What goes wrong, or a missing module, becomes a message of one line."""
        try:
            with one_line():
                return super().invoke(ctx)
        except ModuleNotFoundError as error:
            source = _sources()[ctx.invoked_subcommand or ""]
            if (error.name or "").partition(".")[0] == source.entry_point.module.partition(".")[0]:
                raise  # a module of the command's own package is missing, which is a bug
            raise click.ClickException(_missing(source, error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(prograd.__version__, prog_name="prograd")
def main() -> None:
    """Differentiate chains of layers in every order of multiplication. Layers and losses come from plugins.

    `prograd-run` runs sweeps, and `python -m prograd_benchmarks.gate` compares the costs of two commits.

    Exit codes: 0 for success; 1 if something failed; 2 for a command line, a file or a network that can't be used. One
    line says what, and often what to change.
    """


def _sources() -> dict[str, discovery.Source]:
    """The commands by name. If two have the same name, prograd's own wins, or else the first by distribution."""
    found = [source for source in discovery.find(GROUP) if not source.unreadable]
    return {source.name: source for source in reversed(found)}


def _load(source: discovery.Source) -> click.Command:
    try:
        command = source.entry_point.load()
    except ModuleNotFoundError as error:
        why = _missing(source, error)
    except BaseException as error:  # noqa: BLE001  (another distribution's command may raise anything, SystemExit too)
        let_pass(error)
        why = f"command {source}: can't be loaded: {reason(error)}"
    else:
        if isinstance(command, click.Command):
            return command
        why = f"command {source}: expected a click command, got {type(command).__name__}"

    @click.command(
        source.name,
        short_help="(not available here)",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def unavailable() -> None:
        raise click.ClickException(why)

    return unavailable


def _missing(source: discovery.Source, error: ModuleNotFoundError) -> str:
    extras = ",".join(source.entry_point.extras)
    install = f"; install it with: pip install '{source.distribution}[{extras}]'" if extras else ""
    return f"command {source}: expected the module {error.name!r}, which is not installed{install}"
