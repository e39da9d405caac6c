"""Where a measurement was made: versions, revision, BLAS, processor."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import threadpoolctl

import prograd

PEERS = ("jax", "jaxlib", "torch", "autograd")
PACKAGES = ("prograd", "numpy", "scipy", "scikit-learn", "hydra-core", "matplotlib", "threadpoolctl", *PEERS)


def environment() -> dict[str, Any]:
    """Everything that a reader needs to judge or repeat a measurement; call it inside the thread limits of the job."""
    return {
        "python": platform.python_version(),
        "packages": versions(),
        "plugins": [
            {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            for plugin in prograd.registry().plugins
        ],
        "git": revision(Path(prograd.__file__).parent),
        "blas": blas(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_available": available_cores(),
    }


def versions() -> dict[str, str | None]:
    """The installed version of each package that a result depends on."""
    return {name: _version(name) for name in PACKAGES}


def blas() -> list[dict[str, Any]]:
    """The linear algebra libraries in this process: name, version, kernel and the threads they use now."""
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
    """The git revision of the code in `folder` and whether it was changed since; None outside a checkout.

    A copy that is installed inside some other repository is no part of it: git must know the package's own files.
    """
    git = shutil.which("git")
    if git is None or not _git(git, folder, "ls-files", "--", "__init__.py"):
        return None
    commit = _git(git, folder, "rev-parse", "HEAD")
    changes = _git(git, folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else {"revision": commit, "dirty": bool(changes)}


@cache
def code() -> str:
    """What computes here, in one line that is the same exactly for the same code: the revision, else the version.

    Of a changed checkout the changes count too, by their hash. Read once: a process keeps the code that it began with.
    """
    return code_in(Path(prograd.__file__).parent)


def code_in(folder: Path) -> str:
    """As `code`, of the package in `folder`."""
    found = revision(folder)
    if found is None:
        return f"prograd {prograd.__version__}"
    if not found["dirty"]:
        return str(found["revision"])
    changes = _git(shutil.which("git") or "git", folder, "diff", "HEAD") or ""
    return f"{found['revision']} with changes {hashlib.sha256(changes.encode()).hexdigest()[:12]}"


@cache
def cpu_model() -> str:
    """The processor as its maker calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int | None:
    """The cores that this process may use; None where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    # Without optional locks: looking at the state of a checkout must not get in the way of who works in it.
    command = [git, "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
