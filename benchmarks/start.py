"""The wait before anything is computed: the import and the plugins, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from prograd_benchmarks.timing import statistics

STARTS = 9
"""An interpreter takes a few hundred milliseconds to start, so there are fewer timings than elsewhere."""


def _printed(code: str) -> str:
    # -I: the installed packages must be found before those in the project's folder.
    return subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout  # noqa: S603


def _seconds(before: str, code: str) -> dict[str, object]:
    """How long `code` takes in a fresh interpreter after `before`."""
    clock = "from time import perf_counter"
    timed = f"{clock}\n{before}\nbegun = perf_counter()\n{code}\nprint(perf_counter() - begun)"
    _printed(timed)  # compiles the bytecode of a freshly installed revision
    return statistics([float(_printed(timed)) for _ in range(STARTS)])


class Start:
    """`import prograd`, and the registry with its plugins."""

    timeout = 120

    def track_import_seconds(self) -> dict[str, object]:
        return _seconds("", "import prograd")

    track_import_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_import_after_numpy_and_scipy_seconds(self) -> dict[str, object]:
        return _seconds("import numpy, scipy.sparse.linalg, scipy.special", "import prograd")

    track_import_after_numpy_and_scipy_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_imported_modules(self) -> int:
        return int(_printed("import prograd, sys; print(len(sys.modules))"))

    track_imported_modules.unit = "modules"  # type: ignore[attr-defined]

    def track_plugins_seconds(self) -> dict[str, object]:
        return _seconds("import prograd", "prograd.registry()")

    track_plugins_seconds.unit = "seconds"  # type: ignore[attr-defined]
