"""The configuration files of the project agree with each other and with the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import prograd

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
INSTALLED_BY_MAKE = ("experiments", "test", "dev", "bench")


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pinned.items()}


def test_one_version() -> None:
    assert prograd.__version__ == PROJECT["version"] == metadata.version("prograd")


@pytest.mark.parametrize("extra", ["core", *INSTALLED_BY_MAKE, "docs"])
def test_constraints_pin_what_make_installs(extra: str) -> None:
    listed = PROJECT["dependencies"] if extra == "core" else PROJECT["optional-dependencies"][extra]
    pinned = constraints()
    for requirement in map(Requirement, listed):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)] == []


@pytest.mark.starts_processes
def test_make_installs_those_extras_under_the_constraints() -> None:
    command = ["make", "--dry-run", "--always-make", ".venv/ready"]
    steps = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    (install,) = (shlex.split(step) for step in steps if " install " in step)
    assert install[install.index("-c") + 1] == "constraints.txt"
    assert install[-1] == f".[{','.join(INSTALLED_BY_MAKE)}]"


def test_the_wheel_has_every_package_of_the_four_folders_and_no_other() -> None:
    folders = ("framework", "plugins/layers", "plugins/losses", "plugins/penalties", "experiments")
    found = {f"{folder}/{path.parent.name}" for folder in folders for path in (ROOT / folder).glob("*/*.py")}
    assert set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == found


def test_typed_packages_say_so() -> None:
    assert [
        path
        for path in (
            "framework/prograd",
            "plugins/layers/prograd_layers",
            "plugins/losses/prograd_losses",
            "plugins/penalties/prograd_penalties",
            "experiments/prograd_benchmarks",
        )
        if not (ROOT / path / "py.typed").exists()
    ] == []


def test_ci_runs_the_readmes_tests_the_lint_and_the_site() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert [line for line in script.read_text().splitlines() if line.startswith("make ")] == [
        "make test",
        "make lint",
        "make docs",
    ]


PUBLIC_MODULES = {
    *("prograd", "prograd.errors", "prograd.operators", "prograd.options", "prograd.tape", "prograd.tape.machine"),
    "prograd.testing",
    "prograd.units",  # one notation for times, counts and ratios
    "prograd.commands.consoles",  # what writes to a console writes as `prograd` does
    "prograd.commands.refusals",  # what is refused is refused in the same words
    "prograd.commands",  # completion
    "prograd.catalogue",
    "prograd.foreign",  # what a plugin's code raises is told as `prograd` tells it
    "prograd.commands.networks",  # and what is given a network is given it as `prograd plan` is
}


def imports_of_the_engine(path: Path) -> Iterator[tuple[str, str | None]]:
    """`(module, name)` of each import from prograd, with None for `import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.partition(".")[0] == "prograd")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "prograd":
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("folder", ["plugins", "experiments", "benchmarks"])
def test_engine_is_reached_through_its_public_names(folder: str) -> None:
    public = {"prograd": {*prograd.__all__, "testing"}}
    beyond = [
        f"{path.relative_to(ROOT)}: {module} {name or ''}"
        for path in (ROOT / folder).rglob("*.py")
        for module, name in imports_of_the_engine(path)
        if module not in PUBLIC_MODULES or (name and module in public and name not in public[module])
    ]
    assert beyond == []


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `code`."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-W", "error", "-c", code + report]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.starts_processes
def test_the_core_needs_its_own_dependencies_only() -> None:
    beyond = {"hydra", "omegaconf", "matplotlib", "sklearn", "asv", "pytest", "hypothesis"}
    assert not loaded_after("import prograd.commands.group; prograd.registry()") & beyond


@pytest.mark.starts_processes
def test_benchmarks_need_no_experiments_extra() -> None:
    # asv's environments hold the core's dependencies alone.
    beyond = {"hydra", "omegaconf", "matplotlib", "sklearn"}
    parts = [f"prograd_benchmarks.{name}" for name in ("problems", "floor", "timing", "counts", "control")]
    suite = [f"benchmarks.{path.stem}" for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__"]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join(parts + suite)}"
    assert not loaded_after(code) & beyond


def modules() -> Iterator[str]:
    for folder, package in (
        ("framework", "prograd"),
        ("plugins/layers", "prograd_layers"),
        ("plugins/losses", "prograd_losses"),
        ("plugins/penalties", "prograd_penalties"),
    ):
        for path in (ROOT / folder / package).rglob("*.py"):
            if "template" not in path.parts:
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                yield ".".join(part for part in parts if part not in {"__init__", "__main__"})


def undocumented(cls: type) -> Iterator[str]:
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    if hasattr(cls, "__array_function__"):  # its methods are those of numpy's arrays
        inherited.update(dir(np.ndarray))
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
        if inspect.isfunction(function) and not name.startswith("_") and name not in inherited and not function.__doc__:
            yield f"{cls.__module__}.{cls.__qualname__}.{name}"


def test_public_methods_that_override_nothing_have_docstrings() -> None:
    found = [
        name
        for module in map(importlib.import_module, modules())
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__ and not cls.__name__.startswith("_")
        for name in undocumented(cls)
    ]
    assert found == []
