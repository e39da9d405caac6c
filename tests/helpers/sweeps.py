"""Two sweeps with chosen figures, and the page that compares them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from prograd_experiments import commands
from prograd_experiments.collect import collect
from tests.helpers.records import ENVIRONMENT, failed, lay_out, record


def sweep(factor: float, **config: Any) -> list[dict[str, Any]]:
    """Reverse mode takes 100 µs · depth, forward mode 1, 3, 2 and 4 ms; `factor` multiplies all of them."""
    times = {(2, 8): 1e-3, (2, 16): 3e-3, (4, 8): 2e-3, (4, 16): 4e-3}
    return [record(*at, forward * factor, 1e-4 * at[0] * factor, **config) for at, forward in times.items()]


def two_sweeps(root: Path) -> tuple[Path, Path]:
    """Two sweeps of the same points; the second takes half the time on two threads, and one of its points failed."""
    old, new = root / "old", root / "new"
    new_records = sweep(0.5, threads=2)
    for one in new_records:
        one["environment"] = copy.deepcopy(ENVIRONMENT) | {"python": "3.13.1"}
    new_records[3] = failed(4, 16, threads=2)
    for folder, made in ((old, sweep(1.0)), (new, new_records)):
        folder.mkdir()
        collect(lay_out(folder, made))
    return old, new


def compared(sweeps: tuple[Path, Path], output: Path) -> Path:
    """The page that `prograd report` writes into `output`."""
    done = CliRunner().invoke(commands.report, [*map(str, sweeps), "--output", str(output)])
    assert done.exit_code == 1, done.output  # a point failed
    assert f"{sweeps[1]}: 4 points: 3 complete, 1 failed" in done.output
    return output
