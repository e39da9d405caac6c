"""`prograd collect` and `prograd report`, which `prograd` finds through the entry points `prograd.commands`."""

from __future__ import annotations

from pathlib import Path

import click

from prograd_benchmarks.timing import collector_off
from prograd_experiments.charts import FORMATS


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-f", "--format", "formats", type=click.Choice(FORMATS), multiple=True, default=FORMATS[:1], show_default=True,
    help="The format of the poster; may be given several times.",
)  # fmt: skip
@collector_off()
def collect(directory: Path, formats: tuple[str, ...]) -> None:
    """Make a sweep's summary, poster and page again from the records in DIR.

    Exit code 0: all jobs complete; 1: some failed, did not end, or left a file that is not a record; 2: nothing could
    be made.
    """
    # Drawing takes a second to import, which the other commands of `prograd` must not wait for.
    from rich.console import Console  # noqa: PLC0415

    from prograd_experiments import terminal  # noqa: PLC0415
    from prograd_experiments.collect import collect as make  # noqa: PLC0415
    from prograd_experiments.errors import RecordError  # noqa: PLC0415

    try:
        collected = make(directory, formats)
    except (RecordError, OSError) as error:
        click.echo(f"prograd collect: {error}", err=True)
        raise SystemExit(2) from error
    terminal.show(Console(), collected)
    if not collected.whole:
        raise SystemExit(1)


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page; default: DIR/report.html for one directory, comparison.html here for several.",
)
@collector_off()
def report(directories: tuple[Path, ...], output: Path | None) -> None:
    """Make one page of the sweeps in each DIR, side by side; the page compares the others with the first.

    Exit code 0: all jobs of all sweeps complete; 1: some failed, did not end, or left a file that is not a record; 2:
    nothing could be made.
    """
    from prograd_experiments import storage  # noqa: PLC0415
    from prograd_experiments.errors import RecordError  # noqa: PLC0415
    from prograd_experiments.gather import gather  # noqa: PLC0415
    from prograd_experiments.report import page  # noqa: PLC0415

    try:
        sweeps = [gather(directory) for directory in directories]
        output = output or (directories[0] / page.NAME if len(sweeps) == 1 else Path("comparison.html"))
        storage.replace(output, page.render(sweeps))
    except (RecordError, OSError) as error:
        click.echo(f"prograd report: {error}", err=True)
        raise SystemExit(2) from error
    for sweep in sweeps:
        click.echo(f"{sweep.directory}: {page.counted(sweep)}")
        for file in sweep.unreadable:
            click.echo(f"left out {file.path}: {file.reason}")
    click.echo(f"\n  {output}")
    if not all(sweep.whole for sweep in sweeps):
        raise SystemExit(1)
