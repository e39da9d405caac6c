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

RECURSIONS = "framework/prograd/recursions.py"
KRONECKER = "framework/prograd/operators/kronecker.py"
LAYOUT = "framework/prograd/tape/layout.py"
MACHINE = "framework/prograd/tape/_machine.c"

ONE_PRODUCT = "            np.matmul(q.swapaxes(-1, -2), right, out=target)\n"
# No call, no byte, no multiply-add: only the clock can tell.
IDLE_LOOP = "            for _ in range(500 * q.shape[0]):\n                pass\n"
FIRST_OF_AN_INSTRUCTION = "    const word *p = w + 8;\n"
IDLE_LOOP_IN_C = "    for (volatile int idle = 0; idle < 1000; idle++) {\n    }\n"
COLUMNS = "A_i[name].columns_into(part.start - at.start, part.stop - at.start, J[start : start + len(part)])"
IDENTITY = "np.eye(A_i[name].cols)[part.start - at.start : part.stop - at.start, None]"
THROUGH_IDENTITY = f"J[start : start + len(part)] = A_i[name].jvp({IDENTITY})"
LAYER = "z.append(g_i.g(w_i, z[-1]))"
SAME = "def same(z: Array) -> Array:\n    return z\n\n\n"

PLANTED = {
    "vjp_sum does its work twice": (
        [(KRONECKER, ONE_PRODUCT, ONE_PRODUCT * 2)],
        "operators.Operators.track_python_calls",
    ),
    "vjp_sum takes longer": (
        [(KRONECKER, ONE_PRODUCT, IDLE_LOOP + ONE_PRODUCT)],
        "products.Products.track_vjp_sum_over_product",
    ),
    "forward mode forms A by the identity": (
        [(RECURSIONS, COLUMNS, THROUGH_IDENTITY)],
        "counts.Tapes.track_multiply_adds",
    ),
    # A replay knows nothing of it: the interpreted count does.
    "a Python call more in each layer": (
        [(RECURSIONS, LAYER, "z.append(same(g_i.g(w_i, z[-1])))"), (RECURSIONS, "def overlap(", f"{SAME}def overlap(")],
        "counts.Counts.track_python_calls",
    ),
    # A ufunc is no Python call: the tape has it.
    "an operation more in each layer": (
        [(RECURSIONS, LAYER, "z.append(np.negative(np.negative(g_i.g(w_i, z[-1]))))")],
        "counts.Tapes.track_instructions",
    ),
    "arrays of a tape that share no memory": (
        [(LAYOUT, "memory.free(storage, offsets[storage])", "pass")],
        "counts.Tapes.track_scratch_bytes",
    ),
    "the machine takes longer": (
        [(MACHINE, FIRST_OF_AN_INSTRUCTION, IDLE_LOOP_IN_C + FIRST_OF_AN_INSTRUCTION)],
        "gap.Gap.track_reverse_over_floor",
    ),
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
    changes, seen_by = PLANTED[name]
    clone.commit(changes, name)
    assert clone.gate(clone.start) == REGRESSION
    assert [line for line in clone.said.splitlines() if line.startswith(seen_by) and "regression" in line]


def test_a_base_that_does_not_build_is_not_decided(clone: Clone) -> None:
    broken = clone.commit([("pyproject.toml", '"hatchling.build"', '"nothing.of.this.name"')], "Broken")
    clone.commit([("pyproject.toml", '"nothing.of.this.name"', '"hatchling.build"')], "Mended")
    assert clone.gate(broken) == UNDECIDED
    assert "nothing.of.this.name" in clone.said
