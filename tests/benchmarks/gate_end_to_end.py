"""The gate finds regressions that are planted in a clone, and passes commits that change nothing.

This takes minutes. Its file name keeps it out of `make test`; `make test-gate` runs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.starts_processes

ROOT = Path(__file__).parents[2]
FINE, REGRESSION, UNDECIDED = range(3)

ONE_PRODUCT = "            q.T.dot(right, out.reshape(self.m, right.shape[1]))\n"
# No call, no byte, no multiply-add: only the clock can tell.
IDLE_LOOP = "            for _ in range(500 * len(q)):\n                pass\n"
COLUMNS = "A_i[name].columns_into(part.start - at.start, part.stop - at.start, columns)"
IDENTITY = "columns[...] = A_i[name].jvp(np.eye(A_i[name].cols)[part.start - at.start : part.stop - at.start, None])"
IMPORT = "from prograd.arrays import Array\n"

PLANTED = {
    "vjp_sum does its work twice": [
        ("framework/prograd/operators/kronecker.py", ONE_PRODUCT, ONE_PRODUCT * 2),
    ],
    "vjp_sum takes longer": [
        ("framework/prograd/operators/kronecker.py", ONE_PRODUCT, IDLE_LOOP + ONE_PRODUCT),
    ],
    "forward mode forms A by the identity": [
        ("framework/prograd/recursions.py", COLUMNS, IDENTITY),
        ("framework/prograd/recursions.py", IMPORT, "import numpy as np\n\n" + IMPORT),
    ],
    "a Python call more in each layer": [
        ("framework/prograd/recursions.py", "z.append(g_i.g(w_i, z[-1]))", "z.append(same(g_i.g(w_i, z[-1])))"),
        (
            "framework/prograd/recursions.py",
            "def overlap(",
            "def same(z: Array) -> Array:\n    return z\n\n\ndef overlap(",
        ),
    ],
}


class Clone:
    """A clone of the project in which a test makes commits on top of the last one."""

    def __init__(self, place: Path) -> None:
        self.place = place
        clone = ["git", "clone", "--quiet", ROOT, place]
        subprocess.run(clone, check=True)
        self.start = self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=prograd", "-c", "user.email=prograd@localhost")
        command = ["git", "-C", str(self.place), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, changes: list[tuple[str, str, str]], message: str) -> str:
        for path, old, new in changes:
            text = (self.place / path).read_text()
            assert text.count(old) == 1, f"{path} has changed: plant the regression elsewhere"
            (self.place / path).write_text(text.replace(old, new))
        self.git("commit", "--quiet", "--all", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def gate(self, base: str) -> int:
        command = [sys.executable, "-m", "prograd_benchmarks.gate", base]
        done = subprocess.run(command, cwd=self.place, capture_output=True, text=True, check=False)
        sys.stdout.write(done.stdout + done.stderr)  # pytest shows it when the test fails
        self.said = done.stdout
        return done.returncode


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("gate") / "prograd")


@pytest.fixture
def clone(cloned: Clone) -> Clone:
    cloned.git("reset", "--quiet", "--hard", cloned.start)
    return cloned


def test_a_commit_that_changes_nothing_is_fine(clone: Clone) -> None:
    clone.commit([], "Nothing")
    assert clone.gate(clone.start) == FINE


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_regression_is_caught(clone: Clone, name: str) -> None:
    clone.commit(PLANTED[name], name)
    assert clone.gate(clone.start) == REGRESSION


def test_a_base_that_does_not_build_is_not_decided(clone: Clone) -> None:
    broken = clone.commit([("pyproject.toml", '"hatchling.build"', '"nothing.of.this.name"')], "Broken")
    clone.commit([("pyproject.toml", '"nothing.of.this.name"', '"hatchling.build"')], "Mended")
    assert clone.gate(broken) == UNDECIDED
    assert "nothing.of.this.name" in clone.said
