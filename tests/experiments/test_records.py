"""Records: written whole or not at all, and told from everything that isn't one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import prograd
from prograd_experiments import environment, jobs, records
from prograd_experiments.collect import collect
from prograd_experiments.config import config_hash
from prograd_experiments.errors import RecordError
from prograd_experiments.rows import choice
from tests.helpers.configs import CONFIG
from tests.helpers.records import of_schema_2, record

WHOLE = record(2, 8, 1e-3, 1e-4)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = records.write(tmp_path, WHOLE | {"note": [0.1, 1e-9]})
    assert records.read(path) == WHOLE | {"note": [0.1, 1e-9]}
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_records_of_the_first_schema_still_read(tmp_path: Path) -> None:
    old = {"samples" if key == "timings" else key: value for key, value in of_schema_2(WHOLE).items()}
    path = records.write(tmp_path, old | {"schema": "prograd.record/1"})
    whole = records.read(path)
    assert whole["schema"] == records.SCHEMA
    assert whole["timings"] == WHOLE["timings"]
    assert WHOLE["problem"]["samples"] == 1  # data rows keep their name
    collected = collect(tmp_path)
    assert collected.whole
    assert collected.rows[0]["timings"] == 3


def test_records_from_before_times_were_predicted_still_read(tmp_path: Path) -> None:
    path = records.write(tmp_path, of_schema_2(WHOLE))
    left_out = ("predicted_seconds", "predicted_time_gap", "gaps")
    assert {key: value for key, value in records.read(path).items() if key != "gaps"} == {
        key: value for key, value in WHOLE.items() if key not in left_out
    }
    collected = collect(tmp_path)
    heading, line = collected.table.texts()
    assert heading == ["depth", "width", "forward", "reverse", "gap: measured", "gap: multiply-adds", "timings"]
    assert line[-3:] == ["10.0× ± 0.0", "64.0×", "3"]
    assert collected.rows[0]["predicted_time_gap"] is None


def test_a_write_that_fails_leaves_the_old_record_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    records.write(tmp_path, WHOLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        records.write(tmp_path, WHOLE | {"status": "failed"})
    monkeypatch.undo()

    assert records.read(tmp_path / "record.json")["status"] == "complete"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_record_holds_no_number_that_json_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write(tmp_path, WHOLE | {"gap": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"status": "comp', "broken JSON"),
        (b"", "broken JSON"),
        (b"\xff\xfe\x00", "broken JSON"),
        (b"[1, 2]", "expected a record of prograd-run"),
        (b'{"schema": "other"}', "expected a record of prograd-run"),
        (json.dumps({"schema": records.SCHEMA}).encode(), "got the experiment None"),
        (json.dumps({"schema": records.SCHEMA, "experiment": "train"}).encode(), "missing required field"),
        (json.dumps(WHOLE | {"status": "fine"}).encode(), "Invalid enum value 'fine'"),
    ],
)
def test_what_is_no_record_is_named_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    records.write(good, WHOLE)
    (bad / "record.json").write_bytes(content)

    with pytest.raises(RecordError, match=reason):
        records.read(bad / "record.json")

    found, unreadable = records.read_all(tmp_path)
    assert list(found) == [good]
    assert [file.path for file in unreadable] == [bad / "record.json"]
    assert reason in unreadable[0].reason


def test_a_directory_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"expected a record\.json"):
        records.read_all(tmp_path)
    with pytest.raises(RecordError, match="no such directory"):
        records.read_all(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RecordError, match="got a file"):
        records.read_all(file)


def test_the_hash_sees_values_and_not_the_order_of_keys() -> None:
    assert config_hash({"a": 1, "b": {"c": 2}}) == config_hash({"b": {"c": 2}, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 1.5})


def test_a_file_is_known_by_its_content_and_may_move() -> None:
    here = {"data": {"name": "csv", "path": "a/t.csv", "sha256": "0" * 64}, "start": "a.npz", "start_sha256": "1" * 64}
    there = {**here, "data": here["data"] | {"path": "b/u.csv"}, "start": "b.npz"}
    assert config_hash(here) == config_hash(there)
    assert config_hash(here) != config_hash({**here, "data": here["data"] | {"sha256": "2" * 64}})
    assert config_hash(here) != config_hash({**here, "start_sha256": "2" * 64})
    assert config_hash({"start": None}) != config_hash({"start": "a.npz"})
    assert choice("data").read({"config": here}) == "t.csv"


@pytest.mark.usefixtures("no_git")
def test_a_job_leaves_what_it_measured(tmp_path: Path) -> None:
    record = jobs.run(CONFIG, tmp_path)

    assert record == records.read(tmp_path / "record.json")
    assert record["status"] == "complete"
    assert record["config"]["loss"] == {"name": "squared_error"}
    assert record["config_hash"] == config_hash(record["config"])
    assert {mode: len(samples) for mode, samples in record["timings"].items()} == {"forward": 3, "reverse": 3}
    assert all(seconds > 0 for samples in record["timings"].values() for seconds in samples)
    assert record["agreement"]["relative_difference"] <= record["agreement"]["tolerance"] < 1e-12
    for kind, what in (("multiply_adds", "multiply_adds"), ("predicted_time", "predicted_seconds")):
        assert record[f"{kind}_gap"] == record["gaps"]["forward"][kind] > 1
        assert record[f"{kind}_gap"] == record[what]["forward"] / record[what]["reverse"]
    assert record["problem"]["n"] == [3, 3, 3, 2]
    assert all(blas["threads"] == 1 for blas in record["environment"]["blas"])


@pytest.mark.slow
@pytest.mark.usefixtures("no_git")
def test_the_samples_of_a_batch_and_the_parameters_come_from_the_seed(tmp_path: Path) -> None:
    values = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        values.append(jobs.run(CONFIG | {"seed": seed}, folder)["problem"]["value"])
    assert values[0] == values[1] != values[2]


@pytest.mark.usefixtures("no_git")
def test_a_job_that_raises_leaves_its_traceback_and_returns(tmp_path: Path) -> None:
    record = jobs.run(CONFIG | {"batch": 6}, tmp_path)

    assert record == records.read(tmp_path / "record.json")
    assert record["status"] == "failed"
    assert record["error"]["message"] == "batch: expected at most the 5 samples of the data set synthetic, got 6"
    assert "Traceback" in record["error"]["traceback"]
    assert "median" not in record


@pytest.mark.usefixtures("no_git")
def test_a_job_that_is_interrupted_leaves_a_record_and_ends(tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        assert records.read(tmp_path / "record.json")["status"] == "running"
        raise KeyboardInterrupt

    monkeypatch.setattr("prograd_benchmarks.timing.take_turns", interrupt)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(CONFIG, tmp_path)
    assert records.read(tmp_path / "record.json")["error"]["type"] == "KeyboardInterrupt"


@pytest.mark.usefixtures("no_git")
def test_no_time_is_reported_for_gradients_that_differ(tmp_path: Path, monkeypatch) -> None:
    forward = prograd.mode("forward")

    def wrong(at, p, max_bytes):
        total = type(forward).gradient(forward, at, p, max_bytes)
        p *= 1 + 1e-9
        return total

    monkeypatch.setattr(forward, "gradient", wrong)
    record = jobs.run(CONFIG, tmp_path)
    assert record["error"]["type"] == "AgreementError"
    assert "got a difference of 1.00e-09" in record["error"]["message"]
    assert "timings" not in record


@pytest.mark.starts_processes
def test_the_revision_is_that_of_the_code_and_not_of_a_repository_around_it(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert environment.revision(package) is None

    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    clean = environment.revision(package)
    (package / "__init__.py").write_text("x = 1")
    changed = environment.revision(package)

    assert clean is not None
    assert changed is not None
    assert len(clean["revision"]) == 40
    assert (clean["dirty"], changed["dirty"]) == (False, True)
