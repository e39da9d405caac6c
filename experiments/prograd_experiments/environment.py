"""Where a measurement was made: versions, revision, BLAS, processor."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import threadpoolctl

import prograd
from prograd.tape import machine
from prograd.tape.machine import Machine

PEERS = ("jax", "jaxlib", "torch", "autograd")
PACKAGES = ("prograd", "numpy", "scipy", "mkl", "scikit-learn", "hydra-core", "matplotlib", "threadpoolctl", *PEERS)


def environment() -> dict[str, Any]:
    """All that a reader needs to judge or repeat a measurement; call it where the job limits threads and machine."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": [
            {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            for plugin in prograd.registry().plugins
        ],
        "git": revision(Path(prograd.__file__).parent),
        "blas": blas(),
        "platform": platform.platform(),
        "machine": machine.current(),
        "products": machine.products(),
        "architecture": platform.machine(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_available": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    }


def machine_in(environment: Mapping[str, Any]) -> str | None:
    """The machine that ran tapes; None in records from before there were tapes, which have the architecture there."""
    found = environment.get("machine")
    return found if found in get_args(Machine) else None


def machine_text(environment: Mapping[str, Any]) -> str | None:
    """The machine that ran tapes and the BLAS that it was told to use; None in records from before there were tapes."""
    found = machine_in(environment)
    return f"{found}, mkl" if found and environment.get("products") == "mkl" else found


def blas() -> list[dict[str, Any]]:
    """The linear algebra libraries in this process, each with its name, version, kernel and present threads."""
    pools = sorted(threadpoolctl.threadpool_info(), key=lambda pool: str(pool["filepath"]))
    return [
        {
            "name": pool["internal_api"],
            "version": pool["version"],
            "kernel": pool.get("architecture"),
            "threads": pool["num_threads"],
            "threading": pool.get("threading_layer"),
            "library": Path(pool["filepath"]).name,
        }
        for pool in pools
        if pool["user_api"] == "blas"
    ]


def revision(folder: Path) -> dict[str, Any] | None:
    """The git revision of the code in `folder`, and whether the code was changed since; None outside a checkout.

    A copy installed inside another repository does not belong to it: git has to track the package's own files.
    """
    if not _git(folder, "ls-files", "--", "__init__.py"):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else {"revision": commit, "dirty": bool(changes)}


@cache
def code() -> str:
    """The code that computes here, in one line that is equal exactly for equal code.

    It is the revision, with the hash of the changes in a changed checkout; outside a checkout, the version. It is read
    once: a process keeps the code that it started with.
    """
    return code_in(Path(prograd.__file__).parent)


def code_in(folder: Path) -> str:
    """As `code`, for the package in `folder`."""
    found = revision(folder)
    if found is None:
        return f"prograd {prograd.__version__}"
    if not found["dirty"]:
        return str(found["revision"])
    changes = _git(folder, "diff", "HEAD") or ""
    return f"{found['revision']} with changes {hashlib.sha256(changes.encode()).hexdigest()}"


@cache
def cpu_model() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    # Without optional locks, so that reading the state of a checkout does not disturb whoever works in it.
    command = [git, "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
