"""`prograd new NAME`: a third-party plugin, ready to install."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to make the folder NAME.  [default: here]",
)
def new(name: str, parent: Path) -> None:
    """Write a plugin called NAME that installs, passes the conformance kit and is found by prograd.

    The folder NAME is made whole or not at all, and nothing that exists is overwritten.
    """
    from prograd.scaffold import write  # noqa: PLC0415  (the other commands don't need it)

    try:
        folder = write(name, parent)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{folder} is a plugin. Next:\n")
    for line in (f"cd {shlex.quote(str(folder))}", 'pip install -e ".[test]"', "pytest", "prograd plugins"):
        click.echo(f"    {line}")
    click.echo("\nThen put your layer in place of the one in src.")
