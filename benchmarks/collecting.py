"""What `prograd collect` costs on a large sweep: `python -m benchmarks.collecting [RECORDS]`; outside the asv suite.

One point of the speed gap is measured, and its record is copied with other depths, widths, activations and seeds. Then
a fresh process collects. The figures are seconds on the clock, imports included; seconds of processor time, which other
work on the machine distorts less; and the process's peak of memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice, product
from pathlib import Path

RECORDS = 10_000
SETTINGS = ("data=iris", "depth=2", "width=8", "repeats=21", "sample_seconds=1e-4")


def main() -> None:
    """Lays out the records, collects them, and prints what it cost."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        lay_out(directory, wanted)
        begun = time.perf_counter()
        command = [sys.executable, "-m", "prograd", "collect", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        if status:
            raise SystemExit("prograd collect failed")
        of_processor = usage.ru_utime + usage.ru_stime
        mebibytes = usage.ru_maxrss / 1024  # of Linux, where the unit is KiB
        sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(directory.iterdir()) if path.is_file()}
    written = ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items())
    sys.stdout.write(
        f"{wanted} records: {seconds:.1f} s ({of_processor:.1f} s of processor time), {mebibytes:.0f} MiB; {written}\n"
    )


def lay_out(directory: Path, wanted: int) -> None:
    """Records of a sweep over activation, depth, width and seed below `directory`."""
    from prograd_experiments.config import config_hash  # noqa: PLC0415  (asv imports this module too, without the extra)

    one = directory / "one"
    command = [sys.executable, "-m", "prograd_experiments.run", *SETTINGS, f"hydra.run.dir={one}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    record = json.loads((one / "record.json").read_text())
    (one / "record.json").unlink()
    seeds = range(-(-wanted // 100))
    points = product(("relu", "sigmoid", "tanh", "sine"), (2, 4, 8, 16, 32), (8, 16, 32, 64, 128), seeds)
    for number, (activation, depth, width, seed) in enumerate(islice(points, wanted)):
        record["config"] |= {"activation": activation, "depth": depth, "width": width, "seed": seed}
        record["config_hash"] = config_hash(record["config"])
        place = directory / f"activation-{activation}_depth-{depth}_width-{width}_seed-{seed}_{number:08x}"
        place.mkdir()
        (place / "record.json").write_text(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
