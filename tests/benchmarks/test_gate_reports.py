"""What the gate reads off a suite and off git, and how it writes what it found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from prograd_benchmarks.gate import listing, report, revisions
from prograd_benchmarks.gate.decision import Finding, Judgement, Verdict
from prograd_benchmarks.gate.listing import Benchmark
from prograd_benchmarks.gate.report import Report


def suite(*benchmarks: tuple[str, str], code: str = "def NAME(self): pass", names: tuple[str, ...] = ("(1)", "(2)")):
    return {
        name: Benchmark(name, unit, tuple(name + each for each in names), code.replace("NAME", name.split(".")[-1]))
        for name, unit in benchmarks
    }


def test_patterns_choose_by_name_and_parameters() -> None:
    here = suite(("a.A.track_x", "calls"), ("b.B.track_y", "ratio"))
    assert listing.selected(here, ()) == ["a.A.track_x(1)", "a.A.track_x(2)", "b.B.track_y(1)", "b.B.track_y(2)"]
    assert listing.selected(here, [r"\(2\)", "^b"]) == ["a.A.track_x(2)", "b.B.track_y(1)", "b.B.track_y(2)"]


def test_each_unit_with_noise_needs_a_control_and_counts_need_none() -> None:
    here = suite(
        ("a.A.track_x", "calls"), ("b.B.track_y", "ratio"), ("b.B.track_z", "seconds"), ("control.C.t", "ratio")
    )
    assert listing.uncontrolled(here, listing.selected(here, ())) == {"seconds": ["b.B.track_z"]}
    assert listing.uncontrolled(here, listing.selected(here, ["_y", "_x"])) == {}


def test_a_control_in_another_module_is_found() -> None:
    assert listing.misplaced_controls(suite(("features.Control.a", "ratio"), ("features.Control.b", "ratio"))) == [
        "features.Control"
    ]
    only_misplaced = suite(("features.Control.a", "ratio"))
    assert listing.uncontrolled(only_misplaced, listing.selected(only_misplaced, ())) == {
        "ratio": ["features.Control.a"]
    }
    assert listing.misplaced_controls(suite(("control.Control.a", "ratio"), ("features.F.a", "ratio"))) == []


def test_what_has_the_same_code_is_renamed() -> None:
    old, new = suite(("a.A.track_x", "calls"), ("a.A.track_y", "calls")), suite(("b.B.track_z", "calls"))
    assert listing.renamed(old, new) == {"a.A.track_x": "b.B.track_z"}
    assert listing.removed(old, new, ()) == ["a.A.track_y"]
    assert listing.renamed(old, suite(("b.B.track_z", "bytes"))) == {}
    assert listing.renamed(old, suite(("b.B.track_z", "calls"), names=("(1)",))) == {}
    assert listing.renamed(old, suite(("b.B.track_z", "calls"), code="def NAME(self): return 1")) == {}


def test_a_set_of_parameters_can_be_removed() -> None:
    old, new = suite(("a.A.track_x", "calls")), suite(("a.A.track_x", "calls"), names=("(1)",))
    assert listing.removed(old, new, ()) == ["a.A.track_x(2)"]
    assert listing.removed(old, new, [r"\(1\)"]) == []


FOUND = [
    Judgement("a.track|1(1)", "calls", 1, 2, Finding.REGRESSION, "why"),
    Judgement("a.track|1(2)", "calls", 3, 3, Finding.FINE),
    Judgement("b.track", "ratio", 0, 2.5, Finding.NEW, "no counterpart"),
]


def test_a_comment_has_what_matters_first_and_is_markdown() -> None:
    text = report.markdown(
        Report("main (1234)", "HEAD (5678)", FOUND, ["c.gone"], {"d.old": "d.new"}, ["a note of <b> and `code`"])
    )
    assert text.startswith("### Benchmarks: regression\n\n`HEAD (5678)` against `main (1234)`.\n\n| benchmark | base |")
    assert r"| a.track\|1(1) | 1 | 2 | 2.000 | regression: why |" in text
    assert "- c.gone: removed; only the base's suite has it, and nothing replaces it\n- d.old: renamed to d.new" in text
    assert r"- \`bench: accept a.track\|1\`: this line in the message of a commit accepts" in text
    assert r"- a note of \<b> and \`code\`" in text
    assert text.index("<details><summary>1 more, fine or not judged</summary>") > text.index("b.track")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in rows} == {6}


def test_a_comment_says_why_there_is_no_decision() -> None:
    text = report.markdown(Report("main", "HEAD", message="main: expected another commit"))
    assert text == (
        "### Benchmarks: undecided\n\n`HEAD` against `main`.\n\n```text\nmain: expected another commit\n```\n"
    )


def test_json_has_every_judgement_and_no_infinity() -> None:
    told = json.loads(report.as_json(Report("main", "HEAD", FOUND, ["c.gone"], {"d.old": "d.new"}, ["note"])))
    assert (told["verdict"], told["exit_status"], told["message"]) == ("regression", Verdict.REGRESSION, None)
    assert [one["name"] for one in told["benchmarks"]] == ["a.track|1(1)", "a.track|1(2)", "b.track"]
    assert [one["factor"] for one in told["benchmarks"]] == [2.0, 1.0, None]
    assert (told["removed"], told["renamed"], told["notes"]) == (["c.gone"], {"d.old": "d.new"}, ["note"])


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for name in ("changed.py", "same.py", "old.py", "suite/bench.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n" * 5)
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    return tmp_path


@pytest.mark.starts_processes
def test_a_work_tree_is_a_commit_of_its_own(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert revisions.of_work_tree(repository) == head
    assert revisions.uncommitted(repository, repository / "suite") == []

    (repository / "changed.py").write_text("changed\n")
    git(repository, "mv", "old.py", "renamed file.py")
    for name in ("new.py", "ignored.py", "suite/new.py"):
        (repository / name).touch()
    status = git(repository, "status", "--porcelain")
    commit = revisions.of_work_tree(repository)
    assert git(repository, "rev-parse", f"{commit}^") == head
    changes = git(repository, "diff", "--name-status", "--no-renames", head, commit).splitlines()
    assert changes == ["M\tchanged.py", "A\tnew.py", "D\told.py", "A\trenamed file.py", "A\tsuite/new.py"]
    assert (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")) == (status, head)
    assert sorted(revisions.uncommitted(repository, repository / "suite")) == [
        "changed.py",
        "new.py",
        "renamed file.py",
    ]


@pytest.mark.starts_processes
def test_the_suite_of_the_base_is_read_from_its_commit(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    head, folder, target = git(repository, "rev-parse", "HEAD"), repository / "suite", tmp_path_factory.mktemp("base")
    assert revisions.same_folder(repository, head, folder)
    (folder / "new.py").touch()
    assert not revisions.same_folder(repository, head, folder)
    assert revisions.extract(repository, head, folder, target)
    assert [path.name for path in (target / "suite").iterdir()] == ["bench.py"]
    assert not revisions.extract(repository, head, repository / "nowhere", target)
