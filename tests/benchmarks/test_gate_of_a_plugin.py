"""A maintainer's walk: `prograd new` writes a plugin, its repository grows, and its own gate judges the commits.

Counts decide, so nothing depends on how busy the machine is. Nothing is downloaded: asv's environment finds prograd and
its dependencies where the tests run. The first test leaves the base installed, which the second begins with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import prograd
from prograd.commands.new import write
from tests.helpers.distributions import dependencies, stand_in

pytestmark = [pytest.mark.starts_processes, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SOURCES = ("framework", "plugins/layers", "plugins/losses", "plugins/penalties", "experiments")
LAYER, G, SLOWER = "src/calm_waves/__init__.py", "return z / self._scale(z)", "return -(-z / self._scale(z))"


class Repository:
    """The plugin in a repository of its own."""

    def __init__(self, home: Path) -> None:
        self.folder = write("calm-waves", home)
        wheels = home / "wheels"
        wheels.mkdir()
        points = distribution("prograd").read_text("entry_points.txt") or ""
        found = [dependencies(home / "dependencies"), *(ROOT / source for source in SOURCES)]
        stand_in(wheels, "prograd", prograd.__version__, found, points)
        for name in ("hatchling", "wheel"):
            stand_in(wheels, name, "1.0")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PIP_"))}
        self.environment = kept | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_INDEX": "1",
        }
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("A plugin")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"the template's {path} has changed"
        (self.folder / path).write_text(text.replace(old, new))

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def gate(self, base: str, *options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "prograd_benchmarks.gate", base, *options]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        sys.stdout.write(said)  # pytest shows it when the test fails
        return done.returncode, said


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def repository(written: Repository) -> Repository:
    written.git("reset", "--quiet", "--hard", written.first)
    written.git("clean", "--quiet", "--force")
    return written


def test_a_suite_without_a_control_is_refused_before_anything_is_measured(repository: Repository) -> None:
    (repository.folder / "benchmarks/control.py").rename(repository.folder / "benchmarks/controls.py")
    repository.commit("No control")
    code, said = repository.gate(repository.first)
    assert code == 2
    assert "expected a control of each unit that has noise, got none of ratio" in said
    assert "These need one: ratio: gradient.Gradient.track_gradient_over_product. Hint: controls are" in said
    assert "move controls.Control to " in said
    assert "turn 1" not in said


def test_a_slower_layer_is_a_regression(repository: Repository) -> None:
    repository.write(LAYER, G, SLOWER)
    code, said = repository.gate(repository.first)
    assert code == 2
    assert f"1 uncommitted file not judged, such as {LAYER}" in said
    assert "--worktree judges them too" in said
    repository.commit("Two more operations")
    code, said = repository.gate(repository.first, "--markdown", "comment.md", "--json", "gate.json")
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("gradient.Gradient.track_instructions")]
    assert "regression: a count may not grow" in line
    comment = (repository.folder / "comment.md").read_text()
    assert comment.startswith("### Benchmarks: regression\n")
    assert r"| gradient.Gradient.track\_instructions: 2, the most at" in comment
    told = json.loads((repository.folder / "gate.json").read_text())
    assert (told["verdict"], told["exit_status"]) == ("regression", 1)
    findings = {one["name"]: one["finding"] for one in told["benchmarks"]}
    assert findings["gradient.Gradient.track_instructions('reverse')"] == "regression"
    assert any(name.startswith("control.Control.") for name in findings)


def test_an_innocent_work_tree_is_fine_and_benchmarks_that_are_gone_or_renamed_are_named(
    repository: Repository,
) -> None:
    repository.write("README.md", "A layer for prograd", "A fine layer for prograd")
    suite = repository.folder / "benchmarks"
    text = (suite / "gradient.py").read_text().replace("track_python_calls", "track_entered")
    start, end = text.index("    def track_multiply_adds"), text.index("    def track_entered")
    (suite / "gradient.py").unlink()
    (suite / "costs.py").write_text(text[:start] + text[end:])
    before = repository.git("status", "--porcelain")
    # HEAD is the base, which the gate would refuse to compare with itself.
    code, said = repository.gate(repository.first, "--worktree", "--bench", "_(instructions|multiply_adds|entered)")
    assert code == 0
    assert repository.git("status", "--porcelain") == before
    assert "fine: nothing costs more than it may" in said
    assert {line.partition(",")[0] for line in said.splitlines() if line.startswith("gradient.")} == {
        "gradient.Gradient.track_multiply_adds: removed; only the base's suite has it",
        "gradient.Gradient.track_instructions: renamed to costs.Gradient.track_instructions",
        "gradient.Gradient.track_python_calls: renamed to costs.Gradient.track_entered",
        "gradient.Gradient.track_gradient_over_product: renamed to costs.Gradient.track_gradient_over_product",
    }
