"""`prograd collect DIR`: reached by the `prograd` command through the entry-point group `prograd.commands`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def collect(directory: Path) -> None:
    """Make a sweep's summary, picture and page again from the records in DIR.

    Exit code 0: all jobs complete; 1: some failed, did not end, or left a file that is no record; 2: nothing could be
    made.
    """
    # Drawing takes a second to import; the other commands of `prograd` need not wait for it.
    from rich.console import Console  # noqa: PLC0415

    from prograd_experiments import terminal  # noqa: PLC0415
    from prograd_experiments.collect import collect as make  # noqa: PLC0415
    from prograd_experiments.errors import RecordError  # noqa: PLC0415

    try:
        collected = make(directory)
    except (RecordError, OSError) as error:
        click.echo(f"prograd collect: {error}", err=True)
        raise SystemExit(2) from error
    terminal.show(Console(), collected)
    if not collected.whole:
        raise SystemExit(1)
