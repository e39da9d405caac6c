"""`prograd collect`, `prograd report` and `prograd tape`, found through the entry points `prograd.commands`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from click.exceptions import Exit

import prograd
from prograd.commands import completion
from prograd.commands.networks import network_of, network_options
from prograd.tape import measured, table
from prograd.units import seconds
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
        raise Exit(2) from error
    terminal.show(Console(), collected)
    if not collected.whole:
        raise Exit(1)


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
        raise Exit(2) from error
    for sweep in sweeps:
        click.echo(f"{sweep.directory}: {page.counted(sweep)}")
        for file in sweep.unreadable:
            click.echo(f"left out {file.path}: {file.reason}")
    click.echo(f"\n  {output}")
    if not all(sweep.whole for sweep in sweeps):
        raise Exit(1)


@click.command()
@network_options
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option(
    "--loss", default="squared_error", show_default=True, shell_complete=completion.losses, help="A registered loss."
)
@click.option("--mode", type=click.Choice(list(prograd.MODES)), default="reverse", show_default=True)
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--times", is_flag=True, help="Time each instruction.")
@click.option(
    "--picture",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Time each instruction, and draw the times into this file: .png, .svg or .pdf.",
)
def tape(  # noqa: PLR0913  (click passes an argument for each option)
    *,
    layers: tuple[str, ...],
    network: Path | None,
    n_in: int | None,
    batch: int,
    loss: str,
    mode: prograd.ModeName,
    dtype: str,
    times: bool,
    file: Path | None,
) -> None:
    r"""Print the tape of a gradient: what a replay does, instruction by instruction.

    \b
        prograd tape --n-in 64 -l 'affine width=32' -l tanh -l 'affine width=10' --loss softmax_cross_entropy
        prograd tape --n-in 64 -l 'affine width=32' -l tanh -l 'affine width=10' --batch 32 --picture tape.png

    `w`, `x`, `y`, `p` and `sums` are the parameters, samples, labels, the gradient, and the sums of the losses and of
    `w`. `@n` is scratch memory from byte n on. Parameters and samples are random. An instruction is timed alone, many
    times over, so all of them together may take another time than the tape.
    """
    if file is not None and file.suffix.removeprefix(".") not in FORMATS:
        raise click.UsageError(f"--picture: expected a file that ends in {', '.join(FORMATS)}, got {file}")
    net, rng = network_of(layers, network, n_in), np.random.default_rng(0)
    x = rng.normal(size=(batch, net.n[0])).astype(dtype)
    y = prograd.one_hot(rng.integers(net.n[-1], size=batch), net.n[-1]).astype(dtype)
    f = prograd.Objective(net, prograd.loss(loss), x, y)
    recorded = f.tape(mode, dtype)
    if not times and file is None:
        click.echo(table(recorded))
        return
    from prograd_experiments import tapes  # noqa: PLC0415

    w = net.init(0).astype(dtype)
    found = measured(recorded, (w, x, y, np.empty_like(w), np.empty(2, dtype)))
    click.echo(table(recorded, [seconds(each) for each in found.each]))
    click.echo(tapes.summed_up(found))
    if file is not None:
        from prograd_experiments import storage  # noqa: PLC0415
        from prograd_experiments.charts.poster import encoded, poster  # noqa: PLC0415

        samples = "1 sample" if batch == 1 else f"{batch} samples"
        title = f"{mode} mode, {net!r}, {samples}, {dtype}"
        figure = poster("Where the time of a gradient goes", [tapes.picture(recorded, found, title)])
        storage.replace(file, encoded(figure, file.suffix.removeprefix(".")))
        click.echo(f"\n  {file}")
