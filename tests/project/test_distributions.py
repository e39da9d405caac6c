"""What is published: wheels with and without the machine, and a source distribution from which it can be compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

pytestmark = [pytest.mark.starts_processes, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SOURCES = {f"framework/prograd/tape/{name}" for name in ("_machine.c", "_threads.h", "_loops.h")}
COMPILER = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
REPLAY = """
import numpy as np
import prograd
from prograd.tape import machine

net = prograd.Network([prograd.layer("affine", width=3), prograd.layer("tanh")], 2)
f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((4, 2)), np.zeros((4, 3)))
assert len({f.gradient(net.init(0)).tobytes() for _ in range(4)}) == 1
print(prograd.__file__)
print(machine.current())
"""


def build(target: str, folder: Path, project: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    return subprocess.run(command, cwd=project, env=os.environ | env, check=False, capture_output=True, text=True)


def built(target: str, folder: Path, project: Path = ROOT, **env: str) -> Path:
    done = build(target, folder, project, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.iterdir()
    return made


def replayed_by(wheel: Path, folder: Path) -> str:
    """What replays the tapes of the prograd in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)  # noqa: S202  (of our own)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PROGRAD_")}
    env |= {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", REPLAY]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    where, machine = done.stdout.split()
    assert Path(where).is_relative_to(folder)
    return machine


def machines(wheel: Path) -> list[str]:
    return [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("prograd/tape/_machine.c")]


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@pytest.mark.skipif(sys.platform == "win32", reason="nothing is compiled there")
def test_a_wheel_of_a_source_distribution_has_the_machine(tmp_path: Path) -> None:
    source = built("sdist", tmp_path / "source")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (project,) = (tmp_path / "unpacked").iterdir()
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert {"hatch_build.py", "pyproject.toml", "LICENSE", *SOURCES} <= files
    assert not [name for name in files if name.endswith((".so", ".pyd"))]

    wheel = built("wheel", tmp_path / "wheel", project, PROGRAD_BUILD_MACHINE="required")

    *_, tags = parse_wheel_filename(wheel.name)
    assert "any" not in {tag.platform for tag in tags}
    assert tags & set(sys_tags())
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert machines(wheel) == ["prograd/tape/_machine.c", f"prograd/tape/_machine{suffix}"]
    assert replayed_by(wheel, tmp_path / "installed") == "c"


def test_a_wheel_without_the_machine_replays_by_numpy(tmp_path: Path) -> None:
    before = set((ROOT / "framework/prograd/tape").iterdir())
    wheel = built("wheel", tmp_path / "wheel", PROGRAD_BUILD_MACHINE="no")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert machines(wheel) == ["prograd/tape/_machine.c"]
    assert replayed_by(wheel, tmp_path / "installed") == "numpy"
    assert set((ROOT / "framework/prograd/tape").iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is compiled there")
def test_without_a_compiler_a_wheel_is_made_unless_the_machine_is_required(tmp_path: Path) -> None:
    nothing = str(tmp_path / "no-compiler")
    wheel = built("wheel", tmp_path / "wheel", CC=nothing, PROGRAD_BUILD_MACHINE="")
    assert machines(wheel) == ["prograd/tape/_machine.c"]
    assert "-none-any" in wheel.name
    failed = build("wheel", tmp_path / "none", CC=nothing, PROGRAD_BUILD_MACHINE="required")
    assert failed.returncode != 0
    assert "no-compiler" in failed.stdout + failed.stderr
