"""`python -m prograd_benchmarks.gate BASE`: exit code 0 fine, 1 regression, 2 undecided."""

from __future__ import annotations

import sys
import tomllib
import traceback
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import click
from asv.util import human_value
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd.commands.consoles import write_anything
from prograd_benchmarks.gate import running
from prograd_benchmarks.gate.decision import ACCEPT, LIMITS, Finding, Judgement, Verdict, unused, verdict

_STYLE = {
    Finding.REGRESSION: "bold red",
    Finding.FAILED: "red",
    Finding.UNCLEAR: "yellow",
    Finding.MOVED: "yellow",
    Finding.ACCEPTED: "magenta",
    Finding.BETTER: "green",
}

_SAID = {
    Verdict.FINE: ("fine: nothing costs more than it may", "green"),
    Verdict.REGRESSION: ("regression: see the rows in red", "bold red"),
    Verdict.UNDECIDED: ("could not decide: see the rows in yellow or red, or the message above", "yellow"),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("base")
@click.option("--head", default="HEAD", show_default=True, help="The revision to judge.")
@click.option("--config", default="asv.conf.json", show_default=True, help="asv's configuration.")
@click.option(
    "--bench",
    multiple=True,
    metavar="REGEX",
    help="Judge by these benchmarks; default: those that pyproject.toml lists.",
)
def main(base: str, head: str, config: str, bench: tuple[str, ...]) -> None:
    """Does HEAD cost more than BASE? Builds both, measures them in turns, and compares.

    Exit code 0: fine; 1: a regression; 2: undecided.
    """
    write_anything()
    console = Console(width=None if sys.stdout.isatty() else 160)
    decided = Verdict.UNDECIDED
    try:
        decided = _decided(base, head, Path(config).resolve(), bench, console)
    except running.CannotDecideError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    except Exception:  # noqa: BLE001  # any failure would otherwise end with Python's own exit code 1, a regression
        console.print(traceback.format_exc(), markup=False, highlight=False, soft_wrap=True)
    say(decided, console)
    raise SystemExit(decided.value)


def show(found: Sequence[Judgement], console: Console) -> None:
    """One line for each benchmark and finding, with the parameters for which it is worst."""
    table = Table(box=None, pad_edge=False)
    table.add_column("benchmark", overflow="fold")
    for column in ("base", "HEAD", "HEAD / base"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("finding")
    for benchmark, group in groupby(found, key=lambda judgement: judgement.name.partition("(")[0]):
        by_finding: dict[tuple[Finding, str], list[Judgement]] = {}
        for judgement in group:
            by_finding.setdefault((judgement.finding, judgement.why), []).append(judgement)
        for (finding, why), members in by_finding.items():
            worst = max(members, key=lambda judgement: judgement.factor or 0.0)
            parameters = worst.name.removeprefix(benchmark)
            name = worst.name if len(members) == 1 else f"{benchmark}: {len(members)}, the most at {parameters}"
            said = f"{finding.value}: {why}" if why else finding.value
            table.add_row(*_cells(name, worst), Text(said, style=_STYLE.get(finding, "")))
    console.print(table)


def say(decided: Verdict, console: Console) -> None:
    """Prints the verdict, the last line."""
    text, style = _SAID[decided]
    console.print(Text(f"bench-gate: {text} (exit status {decided.value})", style=style), soft_wrap=True)


def say_unused(accepted: Sequence[str], found: Sequence[Judgement], console: Console) -> None:
    """Prints the lines of commit messages that accept nothing."""
    for name in unused(accepted, found):
        text = f"{ACCEPT} {name}: expected the name of a count that was measured, got none of this name"
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _decided(base: str, head: str, config: Path, bench: tuple[str, ...], console: Console) -> Verdict:
    if not config.is_file():
        raise running.CannotDecideError(f"{config}: expected asv's configuration, got no file; --config names another")
    root = config.parent
    old = running.Side("base", running.commit_of(root, base))
    new = running.Side("HEAD", running.commit_of(root, head))
    if old.commit == new.commit:
        raise running.CannotDecideError(
            f"{base}: expected another commit than {head}, got the same one, {new.commit[:8]}: there is nothing to "
            "compare; the gate judges what is committed"
        )
    suite, accepted = running.Suite(config, bench or _listed(root)), running.accepted(root, old.commit, new.commit)
    with running.alone(suite):
        say_turn = partial(console.print, style="dim", highlight=False)
        found = running.measure(suite, old, new, accepted, say_turn)
    show(found, console)
    say_unused(accepted, found, console)
    return verdict(found)


def _listed(root: Path) -> tuple[str, ...]:
    """`bench` of `[tool.prograd-gate]`; without it, no patterns, which selects every benchmark."""
    path = root / "pyproject.toml"
    tools = tomllib.loads(path.read_text("utf-8")).get("tool", {}) if path.exists() else {}
    return tuple(tools.get("prograd-gate", {}).get("bench", ()))


def _cells(name: str, judgement: Judgement) -> list[Text]:
    factor = "" if judgement.factor is None else f"{judgement.factor:.3f}"
    values = (_human(value, judgement.unit) for value in (judgement.base, judgement.head))
    return [Text(name), *map(Text, values), Text(factor)]


def _human(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "seconds":
        return str(human_value(value, unit))
    return f"{value:.4g}" if unit in LIMITS else f"{value:,.0f}"


if __name__ == "__main__":
    main()
