"""Measures both revisions in turns: base, HEAD, HEAD, base, and so on, until all is decided or turns run out."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asv.results import Results
from filelock import FileLock, Timeout

from prograd_benchmarks.gate import decision
from prograd_benchmarks.gate.decision import Judgement, Measurement, Turn

MOST_TURNS = 15
"""Of each revision. A machine that is still too busy after these had better be asked later. Turns after the second
take seconds, since only open findings are measured again."""

LINES_OF_LOG = 25
CUT = "history is cut; `git fetch --unshallow` brings the rest"


class CannotDecideError(Exception):
    """There is nothing to compare; the message says why."""


@dataclass
class Side:
    """One of the two revisions, and its turns."""

    name: str
    commit: str
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True)
class Suite:
    """The path of asv's configuration, and regular expressions that choose benchmarks by name and parameters."""

    config: Path
    patterns: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """The folder for results and asv's log of the last decision."""
        return self.config.parent / ".asv" / "gate"


def commit_of(root: Path, revision: str) -> str:
    """The full hash of a revision. Raises `CannotDecideError` if the repository does not have it."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        hint = f"; this clone is shallow and its {CUT}" if _ends(root) else ""
        raise CannotDecideError(f"{root}: expected a branch, a tag or a commit, got {revision!r}, which is none{hint}")
    return found.stdout.strip()


def accepted(root: Path, base: str, head: str) -> list[str]:
    """The benchmarks that commits of `head` outside `base` accept in their messages.

    Raises `CannotDecideError` if the clone lacks some of these commits: what they accept is not known.
    """
    if _ends(root).intersection(_git(root, "rev-list", f"{base}..{head}").stdout.split()):
        raise CannotDecideError(
            f"{root}: expected every commit between base and HEAD, since each may accept a benchmark, got a shallow "
            f"clone: its {CUT}"
        )
    return decision.accepted_names(_git(root, "log", "--format=%B", f"{base}..{head}").stdout)


@contextmanager
def alone(suite: Suite) -> Iterator[None]:
    """Keeps other gates out of asv's folders, which have room for one. Raises `CannotDecideError` if one is at work."""
    path = suite.directory.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(path).acquire(timeout=0)
    except Timeout as error:
        raise CannotDecideError(f"{path.parent}: expected no other gate at work here, got a busy one") from error
    with held:
        yield


def measure(suite: Suite, base: Side, head: Side, names: Sequence[str], say: Callable[[str], None]) -> list[Judgement]:
    """The judgement of each benchmark; the counts in `names` may grow.

    Counts are taken once, and one that has grown decides. Times and ratios are measured again while they are unclear.
    """
    shutil.rmtree(suite.directory, ignore_errors=True)
    suite.directory.mkdir(parents=True)
    patterns: Sequence[str] = suite.patterns
    found: list[Judgement] = []
    # Swapping the wheel takes seconds, so the last of one pair goes first in the next.
    for number, pair in zip(range(1, MOST_TURNS + 1), itertools.cycle([(base, head), (head, base)]), strict=False):
        for side in pair:
            say(f"turn {number} of {side.name} ({side.commit[:8]})")
            side.turns.append(_turn(suite, f"{number}-{side.name}", side, patterns))
        found = decision.against_control(decision.judge(base.turns, head.turns, names))
        patterns = _patterns(found, everything=number < decision.TURNS)
        if not patterns or not decision.wants_more_turns(found):
            break
    return found


def read(directory: Path) -> Turn:
    """The measurements of one turn from the folder that asv filled; empty if asv wrote none."""
    listed = directory / "benchmarks.json"
    if not listed.exists():
        return {}
    units = {
        name: known["unit"] for name, known in json.loads(listed.read_text("utf-8")).items() if isinstance(known, dict)
    }
    turn: Turn = {}
    for path in sorted(directory.glob("*/*.json")):
        if path.name != "machine.json":
            turn |= _measurements(Results.load(str(path)), units)
    return turn


def _measurements(results: Any, units: dict[str, str]) -> Iterator[tuple[str, Measurement | None]]:
    for benchmark in results.get_all_result_keys():
        params = results.get_result_params(benchmark)
        names = [f"{benchmark}({', '.join(each)})" for each in itertools.product(*params)] if params else [benchmark]
        values = results.get_result_value(benchmark, params)
        timings = results.get_result_samples(benchmark, params)
        for name, value, taken in zip(names, values, timings, strict=True):
            if value is None:
                yield name, None
            elif not math.isnan(value):  # asv marks what was skipped or not selected by NaN
                yield name, Measurement(units[benchmark], value, tuple(taken or ()))


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
        # Fixes the seed of hashes: the sizes of dictionaries, and so the counts of bytes, depend on it.
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, stdout=out, stderr=out, env=environment, check=False)  # noqa: S603
    turn = read(results) if done.returncode == 0 else {}
    if not any(turn.values()):
        why = "nothing of the suite ran" if turn or not done.returncode else "asv failed"
        last = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LINES_OF_LOG:])
        raise CannotDecideError(
            f"{side.name} ({side.commit[:8]}): expected measurements, got none: {why}. Either it did not build, or the "
            f"suite does not run with it, or no benchmark matches the patterns. The end of {log}:\n{last}"
        )
    return turn


def _patterns(found: Sequence[Judgement], *, everything: bool) -> list[str]:
    """What to measure again: never counts; first `everything` with noise, then open findings and their controls."""
    noisy = [one for one in found if one.unit in decision.LIMITS and one.finding is not decision.Finding.UNJUDGED]
    wanted = [one for one in noisy if everything or one.finding in decision.OPEN]
    if not wanted:
        return []
    controls = [one for one in noisy if decision.is_control(one.name)]
    return sorted({f"^{re.escape(one.name)}$" for one in (*wanted, *controls)})


def _ends(root: Path) -> set[str]:
    """The commits of a shallow clone whose parents are left out."""
    path = root / _git(root, "rev-parse", "--git-path", "shallow").stdout.strip()
    return set(path.read_text("ascii").split()) if path.is_file() else set()


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
