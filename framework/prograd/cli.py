"""The `prograd` command. Further commands join through the entry-point group `prograd.commands`."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError
from typing import Any, Final

import click

import prograd
from prograd import discovery
from prograd.commands.new import new
from prograd.commands.plan import plan
from prograd.errors import ProgradError, UnknownNameError
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.plugin import BrokenPlugin, Plugin
from prograd.registry import Registry, registry

COMMANDS: Final = "prograd.commands"

# Exit codes beside 0; click itself uses 2 for a wrong command line.
FAILED: Final = 1
UNKNOWN: Final = 2


class UnknownNameException(click.ClickException):
    """A name that nothing has."""

    exit_code = UNKNOWN


class Commands(click.Group):
    """The group of prograd's commands and of those that installed distributions bring, each loaded only when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; nothing is imported for that."""
        return sorted({*super().list_commands(ctx), *(point.name for point in _found())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; one that can't be loaded says why when it is used."""
        own = super().get_command(ctx, cmd_name)
        point = next((point for point in _found() if point.name == cmd_name), None)
        return own or (None if point is None else _load(point))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. An error raised on purpose becomes one line, and a missing module names its extra."""
        try:
            return super().invoke(ctx)
        except ProgradError as error:
            kind = UnknownNameException if isinstance(error, UnknownNameError) else click.ClickException
            raise kind(str(error)) from error
        except ModuleNotFoundError as error:
            point = next((point for point in _found() if point.name == ctx.invoked_subcommand), None)
            if point is None:
                raise
            raise click.ClickException(_missing(point, error)) from error


def _found() -> list[EntryPoint]:
    return discovery.entry_points(COMMANDS)


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except ModuleNotFoundError as error:
        reason = _missing(point, error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (another distribution's command may raise anything, SystemExit too)
        reason = f"the command {point.name!r} ({point.value}) can't be loaded: {type(error).__name__}: {error}"
    else:
        if isinstance(command, click.Command):
            return command
        reason = f"the command {point.name!r} ({point.value}) is no click command but {type(command).__name__}"

    @click.command(
        point.name,
        short_help="(not available here)",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def unavailable() -> None:
        raise click.ClickException(reason)

    return unavailable


def _missing(point: EntryPoint, error: ModuleNotFoundError) -> str:
    module = (error.name or str(error)).partition(".")[0]
    distribution = "prograd" if point.dist is None else point.dist.name
    extras = list(point.extras) or _extras_with(distribution, module)
    install = f"; install it with: pip install '{distribution}[{','.join(extras)}]'" if extras else ""
    return f"the command {point.name!r} needs the module {module!r}, which is not installed{install}"


def _extras_with(distribution: str, module: str) -> list[str]:
    """The extras of a distribution that bring a module, by its name, or else all that are incomplete."""
    by_name, incomplete = [], []
    for requirement in importlib.metadata.requires(distribution) or []:
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if extra is None or name is None:
            continue
        if name[0].lower().replace("_", "-").split("-")[0] == module.lower():
            by_name.append(extra[1])
        try:
            importlib.metadata.version(name[0])
        except PackageNotFoundError:
            incomplete.append(extra[1])
    return sorted(set(by_name)) or sorted(set(incomplete))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(prograd.__version__, prog_name="prograd")
def main() -> None:
    """Layers and losses from plugins, differentiated in every order of multiplication.

    Exit codes: 0 for success; 1 where something failed, with one line that says what; 2 for an unknown name, option or
    command.
    """


main.add_command(new)
main.add_command(plan)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def plugins(as_json: bool) -> None:  # noqa: FBT001  (click passes it so)
    """List the installed layers and losses, who brought them, and what is broken and why.

    Exit code 0, also when plugins are broken.
    """
    found = registry()
    rows = [*_working(found.plugins), *_broken(found.broken)]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from prograd.tables import show_plugins  # noqa: PLC0415  (rich takes longer to import than the rest; JSON needs none)

    show_plugins(rows)


def _working(plugins: tuple[Plugin, ...]) -> Iterator[dict[str, str | None]]:
    for plugin in plugins:
        for kind, names in (("layer", plugin.layers), ("loss", plugin.losses)):
            for name in sorted(names):
                yield _row(name, kind, plugin, "ok", None)


def _broken(broken: tuple[BrokenPlugin, ...]) -> Iterator[dict[str, str | None]]:
    """A broken plugin stands under its entry point's name; what it would have brought can only be guessed from it."""
    for plugin in broken:
        kind = "loss" if "loss" in plugin.name.lower() else "layer"
        yield _row(plugin.name, kind, plugin, "broken", f"{plugin.error}\n{plugin.traceback}".strip())


def _row(name: str, kind: str, plugin: Plugin | BrokenPlugin, status: str, error: str | None) -> dict[str, str | None]:
    origin = {"distribution": plugin.distribution, "version": plugin.version}
    return {"name": name, "kind": kind, **origin, "status": status, "error": error}


@dataclass(frozen=True)
class Checked:
    """What the kit found on one layer or loss: a report for each of its examples."""

    name: str
    kind: str
    distribution: str
    status: str
    examples: list[dict[str, Any]]

    def count(self, status: str) -> int:
        """How many checks ended so."""
        return sum(check["status"] == status for example in self.examples for check in example["checks"])


@main.command()
@click.argument("names", metavar="[NAME …]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the random points.",
)
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], as_json: bool, seed: int) -> None:  # noqa: FBT001  (click passes it so)
    """Run the conformance kit on installed layers and losses: on those named, or on all.

    Exit code 0: all checks pass; 1: some fail, or (without NAME) a plugin is broken; 2: unknown name.
    """
    found = registry()
    subjects = _named(found, names)
    results = [_check(kind, name, cls, _owner(found, kind, name), seed) for kind, name, cls in subjects]
    if not names:
        results += [_unchecked(plugin) for plugin in found.broken]
    if not results:
        click.echo("Error: there is nothing to check: no layers or losses are installed", err=True)
        ctx.exit(FAILED)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    else:
        from prograd.tables import show_checks  # noqa: PLC0415  (rich takes longer to import than the rest)

        show_checks(results)
    ctx.exit(0 if all(result.status == "passed" for result in results) else FAILED)


def _named(found: Registry, names: tuple[str, ...]) -> list[tuple[str, str, type[Layer | Loss]]]:
    known: dict[tuple[str, str], type[Layer | Loss]] = {
        **{("layer", name): cls for name, cls in found.layers.items()},
        **{("loss", name): cls for name, cls in found.losses.items()},
    }
    every = {name for _, name in known}
    for name in names:
        if name not in every:
            raise UnknownNameError("layer or loss", name, every)
    return [(kind, name, cls) for (kind, name), cls in known.items() if not names or name in names]


def _owner(found: Registry, kind: str, name: str) -> str:
    return next(p.distribution for p in found.plugins if name in (p.layers if kind == "layer" else p.losses))


def _check(kind: str, name: str, cls: type[Layer | Loss], distribution: str, seed: int) -> Checked:
    from prograd.testing.parametrize import expand  # noqa: PLC0415  (the other commands don't need the kit)

    reports = []
    try:
        for suite, _, make in expand(cls, seed):
            reports.append(suite.report(make()))
    except Exception as error:  # noqa: BLE001  (a plugin's examples() may raise anything, and that is a finding)
        failure = {"name": "examples", "status": "failed", "message": f"raised {type(error).__name__}: {error}"}
        examples = [{"subject": f"{cls.__name__}.examples()", "checks": [failure]}]
        return Checked(name, kind, distribution, "failed", examples)
    failed = not reports or any(report.failures for report in reports)
    examples = [{"subject": report.subject, "checks": [asdict(o) for o in report.outcomes]} for report in reports]
    return Checked(name, kind, distribution, "failed" if failed else "passed", examples)


def _unchecked(plugin: BrokenPlugin) -> Checked:
    failure = {"name": "load", "status": "failed", "message": plugin.error}
    return Checked(
        plugin.name, "plugin", plugin.distribution, "broken", [{"subject": plugin.name, "checks": [failure]}]
    )
