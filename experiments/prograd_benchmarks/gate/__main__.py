"""`python -m prograd_benchmarks.gate BASE`: exit 0 fine, 1 regression, 2 could not decide."""

from __future__ import annotations

import sys
import tomllib
import traceback
from pathlib import Path

import click
from rich.console import Console

from prograd_benchmarks.gate import running, table
from prograd_benchmarks.gate.decision import Verdict, verdict


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("base")
@click.option("--head", default="HEAD", show_default=True, help="The revision that is judged.")
@click.option("--config", default="asv.conf.json", show_default=True, help="asv's configuration.")
@click.option(
    "--bench", multiple=True, metavar="REGEX", help="Benchmarks to judge by; else those that pyproject.toml lists."
)
def main(base: str, head: str, config: str, bench: tuple[str, ...]) -> None:
    """Whether HEAD costs more than BASE: builds both, measures them in turns, and compares.

    Exit status 0: fine; 1: a regression; 2: it could not be decided.
    """
    console = Console(width=None if sys.stdout.isatty() else 160)
    decided = Verdict.UNDECIDED
    try:
        decided = _decided(base, head, Path(config).resolve(), bench, console)
    except running.CannotDecideError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    except Exception:  # noqa: BLE001  # whatever went wrong is no regression, which Python's own status 1 would say
        console.print(traceback.format_exc(), markup=False, highlight=False, soft_wrap=True)
    table.say(decided, console)
    raise SystemExit(decided.value)


def _decided(base: str, head: str, config: Path, bench: tuple[str, ...], console: Console) -> Verdict:
    if not config.is_file():
        raise running.CannotDecideError(f"there is no {config}: asv's configuration was expected; see --config")
    root = config.parent
    old = running.Side("base", running.commit_of(root, base))
    new = running.Side("HEAD", running.commit_of(root, head))
    names = running.accepted(root, old.commit, new.commit)
    found = running.measure(
        running.Suite(config, bench or _listed(root)),
        old,
        new,
        names,
        lambda line: console.print(line, style="dim", highlight=False),
    )
    table.show(found, console)
    return verdict(found)


def _listed(root: Path) -> tuple[str, ...]:
    """`bench` of `[tool.prograd-gate]`; everything without it."""
    path = root / "pyproject.toml"
    tools = tomllib.loads(path.read_text()).get("tool", {}) if path.exists() else {}
    return tuple(tools.get("prograd-gate", {}).get("bench", ()))


if __name__ == "__main__":
    main()
