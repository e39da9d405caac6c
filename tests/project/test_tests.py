"""The tests keep their own rules: where they import from, what they patch, and which of them start processes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.distributions import Site
from tests.helpers.documents import ROOT

FILES = sorted((ROOT / "tests").rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private_patches(tree: ast.AST) -> Iterator[int]:
    """The lines that set an attribute whose name begins with one underscore, on anything but `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if node.attr.startswith("_") and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                yield node.lineno
        elif isinstance(node, ast.Call) and called(node.func) in {"setattr", "delattr", "object", "patch"}:
            names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if any(isinstance(name, str) and name.rpartition(".")[2].startswith("_") for name in names):
                yield node.lineno


def called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_no_test_imports_another_test() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in FILES
        for name in imports(ast.parse(path.read_text()))
        if name.startswith("tests.") and not name.startswith("tests.helpers.")
    ]
    assert found == []


def test_no_test_patches_a_private_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in FILES for line in private_patches(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'monkeypatch.setattr(cli, "_found", None)',
        'monkeypatch.setattr("prograd.cli._found", None)',
        'setattr(cli, "_found", None)',
        "cli._found = None",
        "del cli._found",
    ],
)
def test_a_patch_of_a_private_name_is_found(code: str) -> None:
    assert list(private_patches(ast.parse(code))) == [1]


@pytest.mark.parametrize("code", ['monkeypatch.setattr(cli, "found", None)', "self._kept = 1", "print(cli._found)"])
def test_other_code_is_not_taken_for_one(code: str) -> None:
    assert list(private_patches(ast.parse(code))) == []


@pytest.mark.starts_processes
def test_tests_see_no_plugins_of_others(tmp_path: Path) -> None:
    Site(tmp_path).plugin("broken", "raise RuntimeError")
    Site(tmp_path).plugin("otter")
    tests = ROOT / "tests" / "plugins" / "test_conformance.py"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n0",
        tests,
        "-k",
        "broken or first_party",
    ]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.starts_processes
def test_a_test_that_starts_a_process_needs_the_marker(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = starts_processes: x\n")
    (tmp_path / "conftest.py").write_text(
        "from tests.helpers.started import Watch\n"
        "def pytest_configure(config):\n"
        "    config.pluginmanager.register(Watch())\n"
    )
    (tmp_path / "test_starting.py").write_text(
        "import os, subprocess, sys, pytest\n"
        "def start():\n"
        "    subprocess.run([sys.executable, '-c', ''], check=True)\n"
        "@pytest.fixture(scope='module')\n"
        "def started():\n"
        "    start()\n"
        "def test_with_a_fixture(started): pass\n"
        "def test_unmarked(): start()\n"
        "def test_shell(): os.system('true')\n"
        "@pytest.mark.starts_processes\n"
        "def test_marked(): start()\n"
        "def test_missing():\n"
        "    with pytest.raises(OSError): subprocess.run(['a-program-that-nobody-has'])\n"
        "def test_nothing(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--tb=line"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    outcomes = dict(
        line.split()[:2][::-1] for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))
    )
    assert {name.partition("::")[2]: outcome for name, outcome in outcomes.items()} == {
        "test_with_a_fixture": "FAILED",
        "test_unmarked": "FAILED",
        "test_shell": "FAILED",
        "test_marked": "PASSED",
        "test_missing": "PASSED",
        "test_nothing": "PASSED",
    }
    assert "mark it with `pytest.mark.starts_processes`" in done.stdout
