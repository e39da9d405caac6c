"""The command line of the gate, and the order of its work."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from prograd_benchmarks.gate import report, revisions, running
from prograd_benchmarks.gate.report import Report
from prograd_benchmarks.gate.revisions import CannotDecideError

FILE = click.Path(dir_okay=False, writable=True, allow_dash=True)
WORK_TREE = "the work tree"


class Output(Console):
    """A console that reports a closed pipe as an error: rich's own would exit with 1, a regression."""

    def on_broken_pipe(self) -> None:
        """Called inside the handler of the error."""
        raise  # noqa: PLE0704


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("base")
@click.option("--head", help="The revision to judge.  [default: HEAD]")
@click.option("--worktree", is_flag=True, help="Judge the work tree with its uncommitted changes and new files.")
@click.option("--config", default="asv.conf.json", show_default=True, help="asv's configuration.")
@click.option(
    "--bench",
    multiple=True,
    metavar="REGEX",
    help="Judge by these benchmarks, and the controls; default: those that pyproject.toml lists.",
)
@click.option("--markdown", type=FILE, help="Write a table for a pull request's comment; - writes to standard output.")
@click.option("--json", type=FILE, help="Write every judgement for machines; - writes to standard output.")
def gate(  # noqa: PLR0913  (one argument for each option)
    base: str,
    *,
    head: str | None,
    worktree: bool,
    config: str,
    bench: tuple[str, ...],
    markdown: str | None,
    json: str | None,
) -> int:
    """Does HEAD cost more than BASE? Builds both, measures them in turns, and compares.

    Exit code 0: fine; 1: a regression; 2: undecided, as the message says; 3: the machine was too busy, so run it
    again; 130, 143, 129: ended by ctrl-C, SIGTERM, SIGHUP.
    """
    if worktree and head is not None:
        raise click.UsageError("expected one of --head and --worktree, got both")
    wanted = {form: path for form, path in (("markdown", markdown), ("json", json)) if path is not None}
    for path in wanted.values():
        if not Path(path).absolute().parent.is_dir():
            raise click.UsageError(f"{path}: expected a path in a folder that exists, got none in {Path(path).parent}")
    # Standard output holds either the report for people or what a machine asked for.
    aside = "-" in wanted.values()
    console = Output(stderr=aside, width=None if (sys.stderr if aside else sys.stdout).isatty() else 160)
    target = WORK_TREE if worktree else head or "HEAD"
    try:
        made = _report(base, target, Path(config).resolve(), bench, partial(_say, console))
    except CannotDecideError as error:
        made = Report(base, target, message=str(error))
    report.show(made, console)
    for form, path in wanted.items():
        with click.open_file(path, "w", encoding="utf-8") as file:
            file.write(report.FORMS[form](made))
    return made.verdict.value


def _report(base: str, target: str, config: Path, bench: tuple[str, ...], say: Callable[[str], None]) -> Report:
    if not config.is_file():
        raise CannotDecideError(f"{config}: expected asv's configuration, got no file; --config names another")
    root = config.parent
    old = running.Side("base", revisions.commit_of(root, base))
    head = revisions.of_work_tree(root) if target == WORK_TREE else revisions.commit_of(root, target)
    new = running.Side("HEAD", head)
    suite = running.Suite(config, bench or _patterns(root))
    left_out = revisions.uncommitted(root, suite.benchmarks) if target == "HEAD" else []
    notes = [_not_judged(left_out)] if left_out else []
    if old.commit == new.commit:
        hint = notes[0] if notes else "the gate compares two different commits"
        raise CannotDecideError(
            f"{base}: expected another commit than {target}, got the same one, {new.commit[:8]}. Hint: {hint}"
        )
    for note in notes:
        say(note)
    accepted = revisions.accepted(root, old.commit, new.commit)
    with running.alone(suite):
        suite, changes = running.prepared(suite, old, say)
        found = running.measure(suite, old, new, accepted, say)
    notes += report.unused_lines(accepted, found)
    notes += [changes.unknown] if changes.unknown else []
    return Report(
        f"{base} ({old.commit[:8]})", f"{target} ({new.commit[:8]})", found, changes.removed, changes.renamed, notes
    )


def _not_judged(paths: list[str]) -> str:
    number = f"{len(paths)} uncommitted file{'s' if len(paths) > 1 else ''}"
    return f"{number} not judged, such as {paths[0]}: the gate judges what is committed; --worktree judges them too"


def _say(console: Console, text: str) -> None:
    console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def _patterns(root: Path) -> tuple[str, ...]:
    """`bench` of `[tool.prograd-gate]`; without it, no patterns, which selects every benchmark."""
    path = root / "pyproject.toml"
    try:
        tools = tomllib.loads(path.read_text("utf-8")).get("tool", {}) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise CannotDecideError(f"{path}: expected TOML, got {error}") from error
    return tuple(tools.get("prograd-gate", {}).get("bench", ()))
