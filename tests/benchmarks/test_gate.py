"""The gate's decisions on asv results that the test makes up; `make test-gate` runs it on planted regressions."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from asv.results import Results
from rich.console import Console

from prograd_benchmarks.gate import report, revisions, running
from prograd_benchmarks.gate.decision import (
    Finding,
    Judgement,
    Measurement,
    Verdict,
    accepted_names,
    against_control,
    judge,
    unused,
    verdict,
    wants_more_turns,
)
from prograd_benchmarks.gate.report import Report
from prograd_benchmarks.gate.running import read

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = '{"version": 1, "project": "waves", "repo": ".", "environment_type": "none"}'
COUNT, RATIO, TIME = "counts.track_calls", "gap.track_ratio", "gradient.track_seconds"
CONTROLS = {"ratio": "control.track_ratio", "seconds": "control.track_seconds"}


def drawn(value: float, unit: str = "ratio", *, seed: object = 0, scatter: float = 0.03) -> Measurement:
    random_ = random.Random(str(seed))  # noqa: S311
    return Measurement.of(unit, [value * random_.uniform(1 - scatter, 1 + scatter) for _ in range(21)])


def turns(values: list[float], name: str = RATIO, unit: str = "ratio", *, scatter: float = 0.03, control: float = 1.0):
    """Turns in which a benchmark has these medians, and the controls always the same."""
    return [
        {name: drawn(value, unit, seed=(k, value), scatter=scatter)}
        | {CONTROLS[unit]: drawn(control, unit, seed=(k, control, unit))}
        for k, value in enumerate(values)
    ]


def found(base, head, accepted=(), name=RATIO):
    all_rows = against_control(judge(base, head, accepted))
    return next(row.finding for row in all_rows if row.name == name), verdict(all_rows)


def exact(value: float, unit: str = "calls"):
    return [{COUNT + "(1, 2)": Measurement(unit, value)}]


@pytest.mark.parametrize("unit", ["calls", "multiply-adds", "bytes"])
@pytest.mark.parametrize(("head", "finding"), [(999, Finding.BETTER), (1000, Finding.FINE), (1001, Finding.REGRESSION)])
def test_counts_may_not_grow_at_all(unit: str, head: int, finding: Finding) -> None:
    scale = 1000 if unit == "bytes" else 1
    got, said = found(exact(1000 * scale, unit), exact(head * scale, unit), name=COUNT + "(1, 2)")
    assert got is finding
    assert said is (Verdict.REGRESSION if finding is Finding.REGRESSION else Verdict.FINE)


def test_bytes_of_interned_names_are_no_growth() -> None:
    assert found(exact(100_000, "bytes"), exact(100_300, "bytes"), name=COUNT + "(1, 2)")[1] is Verdict.FINE


@pytest.mark.parametrize("name", [COUNT, COUNT + "(1, 2)"])
def test_a_commit_may_accept_that_a_count_grows(name: str) -> None:
    accepted = accepted_names(f"A check\n\nbecause …\n\nbench: accept {name}\nAnother line\n")
    assert accepted == [name]
    assert found(exact(10), exact(11), accepted, COUNT + "(1, 2)") == (Finding.ACCEPTED, Verdict.FINE)


@pytest.mark.parametrize("line", ["bench: accept counts", "bench: accept", f"we don't bench: accept {COUNT}", COUNT])
def test_other_lines_accept_nothing(line: str) -> None:
    assert found(exact(10), exact(11), accepted_names(line), COUNT + "(1, 2)")[1] is Verdict.REGRESSION


def test_what_was_measured_has_to_be_accepted_by_people() -> None:
    slow = found(turns([2.0] * 4), turns([3.0] * 4), [RATIO])
    assert slow == (Finding.REGRESSION, Verdict.REGRESSION)


@pytest.mark.parametrize(("unit", "limit"), [("ratio", 1.15), ("seconds", 1.25)])
def test_limits(unit: str, limit: float) -> None:
    base = turns([2.0] * 4, unit=unit)
    assert found(base, turns([2.0 * (limit - 0.05)] * 4, unit=unit)) == (Finding.FINE, Verdict.FINE)
    assert found(base, turns([2.0 * (limit + 0.05)] * 4, unit=unit)) == (Finding.REGRESSION, Verdict.REGRESSION)
    assert found(turns([2.0 * (limit + 0.05)] * 4, unit=unit), base) == (Finding.BETTER, Verdict.FINE)


def test_times_below_10_ms_are_not_judged() -> None:
    assert found(turns([0.004] * 4, unit="seconds"), turns([0.009] * 4, unit="seconds"))[0] is Finding.UNJUDGED
    assert found(turns([0.009] * 4, unit="seconds"), turns([0.018] * 4, unit="seconds"))[0] is Finding.REGRESSION


def test_asv_has_to_find_the_difference_significant() -> None:
    few = [{RATIO: Measurement.of("ratio", samples)} for samples in ([1.0, 1.1], [1.0, 1.2])]
    more = [{RATIO: Measurement.of("ratio", samples)} for samples in ([1.2, 1.3], [1.3, 1.3])]
    assert found(few, more)[0] is Finding.FINE  # 4 samples against 4 prove nothing
    assert found(turns([1.0] * 4), turns([1.3] * 4))[0] is Finding.REGRESSION


@pytest.mark.parametrize("number", [2, 3])
def test_few_turns_are_too_few_for_a_regression(number: int) -> None:
    got = against_control(judge(turns([2.0] * number), turns([3.0] * number)))
    assert verdict(got) is Verdict.BUSY
    assert wants_more_turns(got)


def test_of_four_turns_a_regression_shows_in_each_and_of_many_in_most() -> None:
    assert found(turns([2.0, 2.0, 2.0, 2.6]), turns([2.5] * 4)) == (Finding.UNCLEAR, Verdict.BUSY)
    assert found(turns([2.0] * 7 + [2.6]), turns([2.5] * 8)) == (Finding.REGRESSION, Verdict.REGRESSION)


def test_a_count_that_has_grown_needs_no_further_turn() -> None:
    got = against_control(judge(turns([2.0]) + exact(10), turns([3.0]) + exact(11)))
    assert verdict(got) is Verdict.REGRESSION
    assert not wants_more_turns(got)


def test_scattered_turns_say_nothing() -> None:
    loud = turns([2.0] * 4, scatter=0.9)
    assert found(loud, turns([2.0] * 4)) == (Finding.UNCLEAR, Verdict.BUSY)
    assert found([*loud, *turns([2.0] * 4)], turns([2.0] * 4)) == (Finding.FINE, Verdict.FINE)


@pytest.mark.parametrize("control", [1 / 1.5, 1.5])
@pytest.mark.parametrize("value", [2.0, 3.0])
def test_nothing_is_decided_when_the_control_moved(control: float, value: float) -> None:
    got = against_control(judge(turns([2.0] * 4), turns([value] * 4, control=control)))
    assert verdict(got) is Verdict.BUSY
    assert wants_more_turns(got)
    assert Finding.MOVED in {row.finding for row in got}


def test_counts_are_decided_whatever_the_control_does() -> None:
    base, head = turns([2.0] * 4) + exact(10), turns([2.0] * 4, control=1.5) + exact(11)
    assert verdict(against_control(judge(base, head))) is Verdict.REGRESSION


def test_the_control_of_times_says_nothing_of_ratios() -> None:
    base = turns([2.0] * 4) + turns([2.0] * 4, TIME, "seconds")
    head = turns([3.0] * 4) + turns([3.0] * 4, TIME, "seconds", control=2.0)
    got = {row.name: row.finding for row in against_control(judge(base, head))}
    assert (got[RATIO], got[TIME]) == (Finding.REGRESSION, Finding.UNCLEAR)


def test_without_a_control_no_regression_is_told_from_the_machine() -> None:
    base, head = [[{RATIO: drawn(value, seed=k)} for k in range(4)] for value in (2.0, 3.0)]
    assert found(base, head) == (Finding.UNCLEAR, Verdict.BUSY)
    assert reasons(base, head) == {"there is no control in ratio"}


def test_what_is_wrong_with_the_control_is_told() -> None:
    base = turns([2.0] * 4)
    assert reasons(base, turns([3.0] * 4, control=1.5)) == {"the control moved: the machine changed"}
    loud = [turn | {CONTROLS["ratio"]: drawn(1.0, scatter=0.9)} for turn in turns([3.0] * 4)]
    assert reasons(base, loud) == {"the control has no value yet"}


def reasons(base, head) -> set[str]:
    return {row.why for row in against_control(judge(base, head)) if row.name == RATIO}


def test_the_control_of_a_unit_in_which_nothing_is_compared_decides_nothing() -> None:
    base, head = ([{CONTROLS["seconds"]: drawn(value, "seconds")}] * 4 + exact(10) for value in (1.0, 2.0))
    got = against_control(judge(base, head))
    assert verdict(got) is Verdict.FINE
    assert not wants_more_turns(got)


def test_the_same_code_is_hardly_ever_a_regression() -> None:
    """Turns shifted as a whole by up to 15 %, which asv's test alone takes for a difference nearly each time.

    As the gate does it, further turns are asked for until it is told: with each of them chance has another try.
    """
    random_ = random.Random(0)  # noqa: S311
    said = []
    for _ in range(200):
        base, head = ([2.0 * random_.uniform(0.85, 1.15) for _ in range(running.MOST_TURNS)] for _ in range(2))
        for number in range(2, running.MOST_TURNS + 1):
            got = against_control(judge(turns(base[:number]), turns(head[:number])))
            if not wants_more_turns(got):
                break
        said.append(verdict(got))
    assert said.count(Verdict.REGRESSION) <= 4
    assert said.count(Verdict.FINE) >= 190


def test_nothing_compared_is_nothing_decided() -> None:
    assert verdict([]) is Verdict.UNDECIDED
    assert verdict(judge([], exact(10))) is Verdict.UNDECIDED
    only_controls = [{CONTROLS["ratio"]: drawn(1.0)}] * 4
    assert verdict(against_control(judge(only_controls, only_controls))) is Verdict.UNDECIDED


def test_a_benchmark_that_fails_at_head_is_not_fine() -> None:
    for head in ([{COUNT: None}], []):
        got = judge([{COUNT: Measurement("calls", 1)}, {RATIO: drawn(1.0)}], [*head, {RATIO: drawn(1.0)}])
        assert next(row.finding for row in got if row.name == COUNT) is Finding.FAILED
        assert verdict(got) is Verdict.UNDECIDED


def test_a_benchmark_that_fails_is_more_than_a_busy_machine() -> None:
    loud = turns([2.0] * 4, scatter=0.9)
    got = judge([*loud, {COUNT: Measurement("calls", 1)}], [*loud, {COUNT: None}])
    assert {row.finding for row in got} >= {Finding.FAILED, Finding.UNCLEAR}
    assert verdict(got) is Verdict.UNDECIDED


def test_a_benchmark_that_fails_at_the_base_is_new() -> None:
    got = judge(
        [{COUNT: None}, {"counts.other": Measurement("calls", 1)}],
        [{COUNT: Measurement("calls", 1)}, {"counts.other": Measurement("calls", 1)}],
    )
    assert [row.finding for row in got] == [Finding.FINE, Finding.NEW]
    assert verdict(got) is Verdict.FINE


def test_an_unknown_unit_is_not_judged() -> None:
    base, head = ([{"a.track": Measurement("furlongs", value)}] for value in (1, 2))
    assert judge(base, head)[0].finding is Finding.UNJUDGED


def test_the_table_names_what_got_worse() -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    rows = [
        Judgement("a.track(1)", "calls", 1, 2, Finding.REGRESSION, "why"),
        Judgement("a.track(2)", "calls", 3, 3, Finding.FINE),
    ]
    unclear = Judgement("b.track", "ratio", 1, 2, Finding.UNCLEAR, "scattered")
    for found in (rows, rows[1:], (), [unclear]):
        report.show(Report("main", "HEAD", found), console)
    text = console.export_text()
    assert "regression: why" in text
    assert all(f"exit status {said.value}" in text for said in Verdict)


def written(directory: Path, benchmarks: dict[str, dict[str, object]], results: dict[str, list[object]]) -> Path:
    """A folder as asv fills it."""
    (directory / "vm").mkdir(parents=True)
    (directory / "vm/machine.json").write_text("{}")
    (directory / "benchmarks.json").write_text(json.dumps({**benchmarks, "version": 2}))
    content = {
        "commit_hash": "c" * 40, "env_name": "e", "date": 0, "params": {"machine": "vm"}, "python": "3.11",
        "requirements": {}, "env_vars": {}, "result_columns": ["result", "params", "version", "samples"],
        "results": results, "durations": {}, "version": Results.api_version,
    }  # fmt: skip
    (directory / "vm/cccccccc-e.json").write_text(json.dumps(content))
    return directory


def test_accept_lines_that_match_nothing_are_told() -> None:
    accepted = accepted_names("\n".join(f"bench: accept {name}" for name in (COUNT, RATIO, "counts.gone", "")))
    judged = judge([*exact(10), {RATIO: drawn(1.0)}], [*exact(11), {RATIO: drawn(1.0)}], accepted)
    assert unused(accepted, judged) == [RATIO, "counts.gone", ""]
    said = report.unused_lines(accepted, judged)
    assert said[1] == "bench: accept counts.gone: expected the name of a count that was measured, got none of this name"
    assert len(said) == 3
    assert unused([COUNT + "(1, 2)", COUNT + "(3, 4)"], judged) == [COUNT + "(3, 4)"]


def test_reads_what_asv_writes(tmp_path: Path) -> None:
    benchmarks = {
        "a.track": {"unit": "ratio", "params": [["1", "2", "3"]], "code": ""},
        "b.track": {"unit": "calls", "params": [], "code": ""},
    }
    samples = [[1.0, 2.0, 3.0], None, None]
    results = {
        "a.track": [[2.0, None, float("nan")], [["1", "2", "3"]], "v", samples],
        "b.track": [[7], [], "v"],
    }
    assert read(written(tmp_path / "results", benchmarks, results)) == {
        "a.track(1)": Measurement("ratio", 2.0, (1.0, 2.0, 3.0)),
        "a.track(2)": None,
        "b.track": Measurement("calls", 7),
    }
    assert read(tmp_path / "nothing") == {}


@pytest.mark.starts_processes
def test_an_unknown_base_is_not_decided(tmp_path: Path) -> None:
    init = ["git", "init", "--quiet", tmp_path]
    subprocess.run(init, check=True)
    (tmp_path / "asv.conf.json").write_text("{}")
    with pytest.raises(revisions.CannotDecideError, match="got 'nowhere', which is none"):
        revisions.commit_of(tmp_path, "nowhere")
    command = [sys.executable, "-m", "prograd_benchmarks.gate", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "could not decide" in done.stdout) == (2, True), done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three commits, the second of which accepts a benchmark."""
    folder = tmp_path / "repository"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    (folder / "asv.conf.json").write_text(CONFIG)
    git(folder, "add", ".")
    for message in ("One", "Two\n\nbench: accept counts.grown", "Three"):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=prograd", "-c", "user.email=prograd@localhost")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def gate(folder: Path, base: str) -> str:
    """What the gate says that can't decide."""
    command = [sys.executable, "-m", "prograd_benchmarks.gate", base]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "could not decide" in done.stdout) == (2, True), done.stdout + done.stderr
    return done.stdout


@pytest.mark.starts_processes
def test_a_second_gate_in_a_checkout_is_refused_as_busy(repository: Path) -> None:
    suite = running.Suite(repository / "asv.conf.json", ())
    with running.alone(suite):
        (suite.directory / "1-base").mkdir(parents=True)
        assert "expected no other gate at work here, got a busy one" in gate(repository, "HEAD~2")
        with pytest.raises(revisions.CannotDecideError, match="got a busy one"), running.alone(suite):
            pass
        assert (suite.directory / "1-base").exists()
    with running.alone(suite):
        pass
    assert "busy" not in gate(repository, "HEAD~2")  # there is no suite to run, which is another reason


@pytest.mark.starts_processes
def test_a_base_that_is_head_is_told(repository: Path) -> None:
    assert "HEAD~0: expected another commit than HEAD, got the same one" in gate(repository, "HEAD~0")
    assert not (repository / ".asv").exists()


@pytest.mark.starts_processes
@pytest.mark.parametrize(("depth", "cut"), [(1, True), (2, True), (3, False)])
def test_a_shallow_clone_does_not_lose_what_commits_accept(
    repository: Path, tmp_path: Path, depth: int, *, cut: bool
) -> None:
    base, head = git(repository, "rev-parse", "HEAD~2"), git(repository, "rev-parse", "HEAD")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", f"--depth={depth}", f"file://{repository}", str(shallow))
    if cut:
        with pytest.raises(revisions.CannotDecideError, match="this clone is shallow and its history is cut"):
            revisions.commit_of(shallow, base)
        git(shallow, "fetch", "--quiet", "--depth=1", "origin", base)  # as a workflow may, to have something to build
        assert "its history is cut; `git fetch --unshallow` brings the rest" in gate(shallow, base)
    else:
        assert revisions.accepted(shallow, base, head) == ["counts.grown"]
