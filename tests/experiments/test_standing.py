"""What stands in a job's directory, and what becomes of it: repeated, kept, or left to whom is at it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from prograd_experiments import environment, jobs, records, storage
from prograd_experiments.errors import BusyError, RecordError
from prograd_experiments.records import Status
from tests.helpers.configs import CONFIG
from tests.helpers.records import record


def test_a_record_counts_for_its_configuration_and_its_code_alone(tmp_path: Path) -> None:
    whole = record(2, 8, 1e-3, 1e-4)
    its = whole["config_hash"]
    records.write(tmp_path, whole | {"code": "one"})
    assert records.found(tmp_path, its, "one")[0] is Status.COMPLETE
    assert records.found(tmp_path, its, "two")[0] is Status.OUTDATED
    assert records.found(tmp_path, "other", "one")[0] is Status.FOREIGN
    records.write(tmp_path, whole)  # by a version that did not say
    assert records.found(tmp_path, its, "one")[0] is Status.OUTDATED


@pytest.mark.starts_processes
def test_the_code_is_its_revision_and_its_changes(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    file = tmp_path / "__init__.py"
    file.touch()
    assert environment.code_in(tmp_path).startswith("prograd ")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    clean = environment.code_in(tmp_path)
    file.write_text("x = 1")
    changed = environment.code_in(tmp_path)
    file.write_text("x = 2")
    assert len(clean) == 40
    assert changed.startswith(f"{clean} with changes ")
    assert environment.code_in(tmp_path) not in {clean, changed}


@pytest.mark.usefixtures("no_git")
def test_a_job_leaves_alone_what_another_process_is_at(tmp_path: Path) -> None:
    with storage.held(tmp_path):
        assert storage.busy(tmp_path)
        with pytest.raises(BusyError, match=f"got one in use by process {os.getpid()} on"):
            jobs.run(CONFIG, tmp_path)
    assert not storage.busy(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_git")
def test_the_record_of_another_configuration_is_not_overwritten(tmp_path: Path) -> None:
    jobs.run(CONFIG, tmp_path)
    before = (tmp_path / "record.json").read_bytes()
    assert jobs.run(CONFIG, tmp_path) == json.loads(before)
    with pytest.raises(RecordError, match="got the record of another configuration"):
        jobs.run(CONFIG | {"seed": 1}, tmp_path)
    assert (tmp_path / "record.json").read_bytes() == before
    assert jobs.run(CONFIG | {"seed": 1}, tmp_path, force=True)["status"] == "complete"
    assert (tmp_path / "record.unreadable.json").read_bytes() == before
