"""`prograd check`: the conformance kit on the layers, losses and penalties that are installed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd import catalogue
from prograd.commands import completion
from prograd.commands.consoles import json_option, write_json
from prograd.errors import UnknownNameError
from prograd.foreign import let_pass, reason
from prograd.options import Owner, plain
from prograd.plugins.loading import BrokenPlugin, Kind
from prograd.plugins.registry import Registry, registry
from prograd.testing.parametrize import expand
from prograd.testing.recording import in_a_word, recordable
from prograd.testing.report import Outcome, Report, Status

STATUSES: Final[tuple[Status, ...]] = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Result:
    """The reports on one layer, loss or penalty, one for each of its examples."""

    name: str
    kind: str
    distribution: str
    status: str
    recordable: str
    reports: Sequence[Report]

    def count(self, status: Status) -> int:
        """The number of checks with this status."""
        return sum(len(report.named(status)) for report in self.reports)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        examples = [{"subject": r.subject, "checks": [asdict(o) for o in r.outcomes]} for r in self.reports]
        whose = {"name": self.name, "kind": self.kind, "distribution": self.distribution}
        return {**whose, "status": self.status, "recordable": self.recordable, "examples": examples}


@click.command()
@click.argument("names", metavar="[NAME …]", nargs=-1, shell_complete=completion.everything)
@json_option
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the random points.")
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], *, as_json: bool, seed: int) -> None:
    """Run the conformance kit on installed layers, losses and penalties.

    It checks the ones named, or all. "recordable" says whether a tape runs it without Python, or what it asks for that
    no tape has; that is advice, not a failure.

    Exit code 0: all checks pass; 1: some fail, or (without NAME) a plugin is broken; 2: unknown name.
    """
    found = registry()
    results = [_checked(found, kind, name, seed) for kind, name in _chosen(found, names)]
    if not names:
        results += [_unchecked(plugin) for plugin in found.broken]
    if not results:
        raise click.ClickException("expected layers, losses or penalties to check, got none: nothing is installed")
    if as_json:
        write_json([result.as_json() for result in results])
    else:
        _show(results)
    ctx.exit(0 if all(result.status == "passed" for result in results) else 1)


def _chosen(found: Registry, names: Sequence[str]) -> list[tuple[Kind, str]]:
    """The kind and the name of everything to check. Raises `UnknownNameError`."""
    known = [(kind, name) for kind, every in found.kinds.items() for name in every]
    every = {name for _, name in known}
    for name in names:
        if name not in every:
            raise UnknownNameError("layer, loss or penalty", name, every)
    return [(kind, name) for kind, name in known if not names or name in names]


def _checked(found: Registry, kind: Kind, name: str, seed: int) -> Result:
    cls: type[Owner] = found.kinds[kind][name]
    owner = found.owner(kind, name).distribution
    try:
        reports = [suite.report(make()) for suite, _, make in expand(cls, seed)]
    except BaseException as error:  # noqa: BLE001  (a plugin's examples() may raise anything, and that is a finding)
        let_pass(error)
        failure = Outcome("examples", "failed", f"raised {reason(error)}")
        reports = [Report(f"{cls.__name__}.examples()", (failure,))]
    reports[:1] = [_with_advice(report, cls, kind) for report in reports[:1]]
    passed = reports and not any(report.failures for report in reports)
    recorded = _not_tried(reports) or recordable(cls)
    return Result(name, kind, owner, "passed" if passed else "failed", recorded, reports)


def _not_tried(reports: Sequence[Report]) -> str:
    """Why nothing is known about recording: what gives arrays of wrong shapes fails on a tape as well."""
    skipped = (o for report in reports for o in report.outcomes if (o.name, o.status) == ("recordable", "skipped"))
    return next((f"unknown: {outcome.message}" for outcome in skipped), "")


def _with_advice(report: Report, cls: type[Owner], kind: Kind) -> Report:
    """The report with a word on what the docstring leaves untold, and on options that a configuration can't hold.

    A configuration holds all defaults of a loss and of a penalty. Of a layer it holds what the user writes, and any
    option but `name`.
    """
    left_out = plain(cls).left_out
    advice = [f"option {option}: {why}" for option, why in left_out.items() if kind != "layer" or option == "name"]
    said = [Outcome("configuration", "passed", f"prograd-run leaves out {'; '.join(advice)}")] if advice else []
    untold = catalogue.untold(cls)
    if untold:
        said.append(
            Outcome("docstring", "passed", f"tells nothing of {', '.join(untold)}, which `prograd show` prints")
        )
    return replace(report, outcomes=(*report.outcomes, *said)) if said else report


def _unchecked(plugin: BrokenPlugin) -> Result:
    report = Report(plugin.name, (Outcome("load", "failed", plugin.error),))
    return Result(plugin.name, "plugin", plugin.distribution, "broken", "", [report])


def _show(results: Sequence[Result]) -> None:
    """Print the table, below it each check that failed, and the verdict."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)  # a name that is cut short can't be typed
    for heading in ("kind", "distribution"):
        table.add_column(heading)
    for heading in ("examples", *STATUSES):
        table.add_column(heading, justify="right")
    for heading in ("status", "recordable"):
        table.add_column(heading)
    for result in results:
        counts = [str(result.count(status)) for status in STATUSES]
        cells = [result.name, result.kind, result.distribution, str(len(result.reports)), *counts]
        status = Text(result.status, style="green" if result.status == "passed" else "red")
        table.add_row(*map(Text, cells), status, Text(in_a_word(result.recordable)))
    console = Console()
    console.print(table)
    for result in results:
        for report in result.reports:
            if report.failures:
                console.print()
                console.print(Text(f"{result.name}: {report.subject}", style="red"), soft_wrap=True)
            for failure in report.failures:
                console.print(Text(textwrap.indent(f"{failure.name}: {failure.message}", "    ")), soft_wrap=True)
            for advice in report.advice:
                console.print()
                console.print(Text(f"{result.name}: {report.subject}", style="yellow"), soft_wrap=True)
                console.print(Text(f"    advice, {advice.name}: {advice.message}"), soft_wrap=True)
    wrong = sum(result.status != "passed" for result in results)
    console.print()
    verdict = f"{wrong} of {len(results)} do not conform" if wrong else f"all {len(results)} conform"
    console.print(Text(verdict, style="red" if wrong else "green"))
