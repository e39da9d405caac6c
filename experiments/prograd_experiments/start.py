"""The script `prograd-run`: it runs the application, or says what to install where the extra is missing."""

from __future__ import annotations

import sys

HOUSE = ("prograd", "prograd_experiments", "prograd_benchmarks", "hydra_plugins")
MISSING = 2


def main() -> None:
    """Run `prograd-run`. Exit code 2, with one line, where a module of the extra `experiments` is not installed."""
    try:
        from prograd_experiments import run  # noqa: PLC0415  (which imports Hydra)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in HOUSE:
            raise  # a bug, not a missing extra
        sys.stderr.write(
            f"prograd-run: expected the module {error.name!r}, which is not installed; install it with: "
            "pip install 'prograd[experiments]'\n"
        )
        raise SystemExit(MISSING) from error
    run.main()
