"""Both revisions measured in turns: base, HEAD, HEAD, base, and so on, until everything is told or time is up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle
from pathlib import Path

from prograd_benchmarks.gate import decision
from prograd_benchmarks.gate.decision import Row
from prograd_benchmarks.gate.series import Turn, read

MOST_TURNS = 15
"""Of each revision. On a busy machine turns are wasted, and beyond some it is better to ask again later. After the
second they take seconds, since only what is open is measured again."""

LINES_OF_LOG = 25


class CannotDecideError(Exception):
    """Why there is nothing to compare: what is to be said to who asked."""


@dataclass
class Side:
    """One of the two revisions, and what its turns found."""

    name: str
    commit: str
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True)
class Suite:
    """Where asv's configuration stands, and regular expressions for the names, with parameters, of what is chosen."""

    config: Path
    patterns: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where results and asv's log of the last decision lie."""
        return self.config.parent / ".asv" / "gate"


def commit_of(root: Path, revision: str) -> str:
    """The full hash of a revision; `CannotDecideError` if the repository has none of this name."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise CannotDecideError(
            f"there is no revision {revision!r} in {root}: a branch, a tag or a commit was expected"
        )
    return found.stdout.strip()


def accepted(root: Path, base: str, head: str) -> list[str]:
    """What the messages of the commits of `head` that are not in `base` accept."""
    return decision.accepted_names(_git(root, "log", "--format=%B", f"{base}..{head}").stdout)


def measure(suite: Suite, base: Side, head: Side, names: Sequence[str], say: Callable[[str], None]) -> list[Row]:
    """What the gate finds about each benchmark; `names` are accepted to grow.

    Counts are taken once, and one that has grown decides; what was measured is measured again while it is unclear.
    """
    shutil.rmtree(suite.directory, ignore_errors=True)
    suite.directory.mkdir(parents=True)
    patterns: Sequence[str] = suite.patterns
    found: list[Row] = []
    # Swapping the wheel takes seconds: who was last goes first in the next pair.
    for number, pair in zip(range(1, MOST_TURNS + 1), cycle([(base, head), (head, base)]), strict=False):
        for side in pair:
            say(f"turn {number} of {side.name} ({side.commit[:8]})")
            side.turns.append(_turn(suite, f"{number}-{side.name}", side, patterns))
        found = decision.against_control(decision.rows(base.turns, head.turns, names))
        patterns = _patterns(found, everything=number < decision.TURNS)
        if not patterns or not decision.wants_more_turns(found):
            break
    return found


def _turn(suite: Suite, name: str, side: Side, patterns: Sequence[str]) -> Turn:
    results = suite.directory / name
    log = suite.directory / f"{name}.log"
    command = [
        sys.executable,
        "-m",
        "prograd_benchmarks.gate.asv_turn",
        str(suite.config),
        str(results),
        side.commit,
        *patterns,
    ]
    with log.open("w") as out:
        # A seed for hashes: the sizes of dictionaries depend on it, and so would the counts of bytes.
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, stdout=out, stderr=out, env=environment, check=False)  # noqa: S603
    turn = read(results) if done.returncode == 0 else {}
    if not any(turn.values()):
        why = "nothing of the suite ran" if turn or not done.returncode else "asv failed"
        last = "\n".join(log.read_text(errors="replace").splitlines()[-LINES_OF_LOG:])
        raise CannotDecideError(
            f"{why} at {side.name} ({side.commit[:8]}): it did not build, or the suite does not run with it, or no "
            f"benchmark has a name that was asked for; the end of {log}:\n{last}"
        )
    return turn


def _patterns(found: Sequence[Row], *, everything: bool) -> list[str]:
    """What to measure again: nothing that is exact; first `everything` that was measured, then what is open."""
    measured = [row for row in found if row.unit in decision.LIMITS and row.finding is not decision.Finding.UNJUDGED]
    wanted = [row for row in measured if everything or row.finding in decision.OPEN]
    if not wanted:
        return []
    controls = [row for row in measured if decision.is_control(row.name)]
    return sorted({f"^{re.escape(row.name)}$" for row in chain(wanted, controls)})


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
