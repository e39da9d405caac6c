"""Measures both revisions in turns: base, HEAD, HEAD, base, and so on, until all is decided or turns run out."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.results import Results
from asv.util import UserError
from filelock import FileLock, Timeout

from prograd_benchmarks.gate import asv_turn, decision, listing, revisions
from prograd_benchmarks.gate.decision import Judgement, Measurement, Turn
from prograd_benchmarks.gate.listing import Listing
from prograd_benchmarks.gate.revisions import CannotDecideError

MOST_TURNS = 15
"""Of each revision. A machine that is still too busy after these had better be asked later. Turns after the second
take seconds, since only open findings are measured again."""

LINES_OF_LOG = 25


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
    def root(self) -> Path:
        """The folder of the configuration."""
        return self.config.parent

    @property
    def directory(self) -> Path:
        """The folder for results and asv's log of the last decision."""
        return self.root / ".asv" / "gate"

    @property
    def benchmarks(self) -> Path:
        """The folder of the benchmarks. Raises `CannotDecideError` if asv can't read its configuration."""
        try:
            return self.root / str(Config.load(str(self.config)).benchmark_dir)
        except UserError as error:
            raise CannotDecideError(
                f"{self.config}: expected asv's configuration, got one that it refuses: {error}"
            ) from error


@dataclass(frozen=True)
class Changes:
    """What the suite of the work tree lacks of the base's own, and what it calls by another name."""

    removed: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    """Why the base's own suite is not known, or an empty string."""


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


def prepared(suite: Suite, base: Side, say: Callable[[str], None]) -> tuple[Suite, Changes]:
    """Builds the base and lists the suite; returns the suite with its controls, and what changed in it.

    Raises `CannotDecideError` if no benchmark is selected, or a unit that has noise has no control.
    """
    shutil.rmtree(suite.directory, ignore_errors=True)
    suite.directory.mkdir(parents=True)
    say(f"building base ({base.commit[:8]}) and listing the benchmarks")
    here = _listed(suite, suite.benchmarks, "0-suite", base)
    names = listing.selected(here, suite.patterns)
    if not names:
        raise CannotDecideError(f"{suite.benchmarks}: expected benchmarks, got none{_matching(suite.patterns)}")
    if lacking := listing.uncontrolled(here, names):
        raise CannotDecideError(_without_control(suite, here, lacking))
    patterns = (*suite.patterns, listing.CONTROLS) if suite.patterns else ()
    return replace(suite, patterns=patterns), _changes(suite, base, here)


def measure(suite: Suite, base: Side, head: Side, names: Sequence[str], say: Callable[[str], None]) -> list[Judgement]:
    """The judgement of each benchmark; the counts in `names` may grow.

    Counts are taken once, and one that has grown decides. Times and ratios are measured again while they are unclear.
    """
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
    units = {name: benchmark.unit for name, benchmark in listing.read(directory).items()}
    turn: Turn = {}
    for path in sorted(directory.glob("*/*.json")):
        if path.name != "machine.json":
            turn |= _measurements(Results.load(str(path)), units)
    return turn


def _measurements(results: Any, units: dict[str, str]) -> Iterator[tuple[str, Measurement | None]]:
    for benchmark in results.get_all_result_keys():
        params = results.get_result_params(benchmark)
        names = listing.parametrized(benchmark, params)
        values = results.get_result_value(benchmark, params)
        timings = results.get_result_samples(benchmark, params)
        for name, value, taken in zip(names, values, timings, strict=True):
            if value is None:
                yield name, None
            elif not math.isnan(value):  # asv marks what was skipped or not selected by NaN
                yield name, Measurement(units[benchmark], value, tuple(taken or ()))


def _turn(suite: Suite, name: str, side: Side, patterns: Sequence[str]) -> Turn:
    done = _asv(suite, suite.benchmarks, name, side.commit, patterns)
    turn = read(suite.directory / name) if done == 0 else {}
    if not any(turn.values()):
        why = "nothing of the suite ran" if turn or not done else "asv failed"
        raise CannotDecideError(_told(suite, name, side, f"expected measurements, got none: {why}"))
    return turn


def _listed(suite: Suite, benchmarks: Path, name: str, side: Side) -> Listing:
    failed = _asv(suite, benchmarks, name, side.commit, ["just-discover"])
    if failed or not (suite.directory / name / listing.FILE).exists():
        raise CannotDecideError(_told(suite, name, side, "expected a suite to list, got none"))
    return listing.read(suite.directory / name)


def _asv(suite: Suite, benchmarks: Path, name: str, commit: str, patterns: Sequence[str]) -> int:
    """The exit code of a turn of asv. Whatever ends the gate meanwhile ends asv too, with all that it has started."""
    module = "prograd_benchmarks.gate.asv_turn"
    paths = map(str, (suite.config, benchmarks, suite.directory / name))
    command = [sys.executable, "-m", module, *paths, commit, *patterns]
    # Fixes the seed of hashes: the sizes of dictionaries, and so the counts of bytes, depend on it.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    # In a session of its own, so that a terminal's ctrl-C reaches the gate alone, which then ends it in order. A gate
    # that is killed can't, but its end of the pipe closes, which the turn notices.
    with (
        (suite.directory / f"{name}.log").open("w") as out,
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment, start_new_session=True
        ) as asv,
    ):
        try:
            return asv.wait()
        finally:
            _end(asv)


def _end(asv: subprocess.Popen[bytes]) -> None:
    if asv.poll() is None:
        asv.terminate()
        try:
            asv.wait(asv_turn.PATIENCE)
        except subprocess.TimeoutExpired:
            asv.kill()
            asv.wait()


def _told(suite: Suite, name: str, side: Side, what: str) -> str:
    log = suite.directory / f"{name}.log"
    last = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LINES_OF_LOG:])
    return (
        f"{side.name} ({side.commit[:8]}): {what}. Either it did not build, or the suite does not run with it. "
        f"The end of {log}:\n{last}"
    )


def _changes(suite: Suite, base: Side, here: Listing) -> Changes:
    folder = suite.benchmarks
    if revisions.same_folder(suite.root, base.commit, folder):
        return Changes()
    place = suite.directory / "suite-of-base"
    if not revisions.extract(suite.root, base.commit, folder, place):
        return Changes()  # the base has no suite
    try:
        old = _listed(suite, place / folder.relative_to(suite.root), "0-suite-of-base", base)
    except CannotDecideError:
        log = suite.directory / "0-suite-of-base.log"
        return Changes(unknown=f"which benchmarks of the base are gone is unknown: its suite does not import ({log})")
    return Changes(listing.removed(old, here, suite.patterns), listing.renamed(old, here))


def _matching(patterns: Sequence[str]) -> str:
    return f" that matches {' or '.join(patterns)}" if patterns else ""


def _without_control(suite: Suite, here: Listing, lacking: Mapping[str, Sequence[str]]) -> str:
    needed = "; ".join(f"{unit}: {', '.join(names)}" for unit, names in lacking.items())
    place = suite.benchmarks / "control.py"
    cure = f"write {place} with the line `from prograd_benchmarks.control import Control`"
    if misplaced := listing.misplaced_controls(here):
        cure = f"controls are the benchmarks of the module `control`: move {', '.join(misplaced)} to {place}"
    return (
        f"{suite.benchmarks}: expected a control of each unit that has noise, got none of {' and '.join(lacking)}, so "
        f"a busy machine could not be told from a slower commit. These need one: {needed}. Hint: {cure}"
    )


def _patterns(found: Sequence[Judgement], *, everything: bool) -> list[str]:
    """What to measure again: never counts; first `everything` with noise, then open findings and their controls."""
    noisy = [one for one in found if one.unit in decision.LIMITS and one.finding is not decision.Finding.UNJUDGED]
    wanted = [one for one in noisy if everything or one.finding in decision.OPEN]
    if not wanted:
        return []
    controls = [one for one in noisy if decision.is_control(one.name)]
    return sorted({f"^{re.escape(one.name)}$" for one in (*wanted, *controls)})
