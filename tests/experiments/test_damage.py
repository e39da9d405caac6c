"""Records that are JSON but not ours: whatever is wrong in them, they are shown or named, and nothing else is lost."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from prograd_experiments import commands, jobs, records, storage
from prograd_experiments.collect import as_csv, collect
from prograd_experiments.config import config_hash
from prograd_experiments.errors import RecordError
from prograd_experiments.gather import gather
from prograd_experiments.peers import compare, measure
from prograd_experiments.records import Status
from prograd_experiments.report import page
from tests.helpers.configs import CONFIG, TRAIN_CONFIG, peers_config
from tests.helpers.records import failed, record

GONE = object()
WRONG = (
    *(GONE, None, "x", "9" * 50, "x" * 200_000, "\ud800", True, [], {}, [None], {"x": "y"}),
    *(0, -1, 2**70, 10**400, 1e308, 5e-324),
)
"""What may be in the place of a value."""

OF_PLANNED = CONFIG | {
    "network": {"name": "hourglass", "final": None, "bottleneck": 2},
    "modes": ["reverse", "forward", "optimal"],
}


def measured(name: str, folder: Path) -> dict[str, Any]:
    """A complete record of an experiment."""
    if name == "peers":
        config = peers_config("reverse:2:8:1")
        timings = {engine: [1e-5, 2e-5, 3e-5] for engine in config["engines"]}
        outcomes = {engine: compare.outcome(engine, "", "timed", "") for engine in timings}
        made = jobs.begun(config, folder) | measure.results(
            outcomes, measure.Rounds(timings, dict.fromkeys(timings, 1), {})
        )
        return json.loads(json.dumps(made | {"status": "complete"}))
    of_each: dict[str, dict[str, Any]] = {
        "speed_gap": CONFIG,
        "train": TRAIN_CONFIG,
        "bracketing": OF_PLANNED | {"outputs": "jacobian", "wrt": "input"},
        "auto": OF_PLANNED | {"point": None, "derivative": "gradient"},
    }
    made = jobs.run(of_each[name] | {"experiment": {"name": name}}, folder)
    assert made["status"] == "complete", made["error"]
    return json.loads(json.dumps(made))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value; of a list to the first two."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 2)):
            yield from places(value[number], (*at, number))


def damaged(good: dict[str, Any], at: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    bad = copy.deepcopy(good)
    inner: Any = bad
    for key in at[:-1]:
        inner = inner[key]
    if wrong is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = wrong
    return bad


def shown(folder: Path, bad: dict[str, Any]) -> bool:
    """Whether a record is shown; else it is named as unreadable, for a summary and for a resumed sweep alike."""
    (folder / records.NAME).write_text(json.dumps(bad))
    status, _ = records.found(folder, bad.get("config_hash"), "some code")
    if status is Status.UNREADABLE:
        with pytest.raises(RecordError, match=f"{records.NAME}: expected"):
            gather(folder)
        return False
    found = gather(folder)
    assert page.render([found])
    assert as_csv(found)
    return True


@pytest.mark.slow
@pytest.mark.usefixtures("no_git")
@pytest.mark.parametrize("name", jobs.EXPERIMENTS)
def test_any_value_may_be_gone_or_another(tmp_path: Path, name: str) -> None:
    good = measured(name, tmp_path)
    assert shown(tmp_path, good)
    of_failed = good | {"status": "failed", "error": {"type": "E", "message": "m", "traceback": "t"}}
    tries = [(base, at, wrong) for base in (good, of_failed) for at in places(base) for wrong in WRONG]
    ends = []
    for base, at, wrong in random.Random(0).sample(tries, 600):  # noqa: S311  (all of them take some seconds)
        bad = damaged(base, at, wrong)
        if at[0] == "config" and isinstance(bad.get("config"), dict):
            assert not shown(tmp_path, bad) or bad == base, at  # it is another configuration than it says
            bad["config_hash"] = config_hash(bad["config"])
        ends.append(shown(tmp_path, bad))
    assert 100 < sum(ends) < 500


@pytest.mark.parametrize(
    ("at", "wrong", "reason"),
    [
        (("environment", "cpu"), GONE, "missing required field `cpu` - at `$.environment`"),
        (("environment", "git"), "main", "Expected `object | null`, got `str` - at `$.environment.git`"),
        (("environment", "cores"), 10**400, "at `$.environment.cores`"),
        (("environment",), [], "Expected `object`, got `array` - at `$.environment`"),
        (("timings", "forward"), [], "length >= 1 - at `$.timings[...]`"),
        (("timings", "forward"), [1e-3, 1e-3], "expected as many timings of each mode"),
        (("timings", "forward"), [1e-3, 1e-3, 10**400], "at `$.timings[...][2]`"),
        (("median", "reverse"), GONE, "expected timings, medians and spreads of the same names"),
        (("multiply_adds",), {}, "expected the multiply-adds of each mode"),
        (("predicted_seconds", "forward"), GONE, "expected the predicted seconds of each mode"),
        (("predicted_seconds", "forward"), 0, "at `$.predicted_seconds[...]`"),
        (("predicted_time_gap",), None, "expected a gap in predicted time"),
        (("problem",), GONE, "in a complete record, got no problem"),
        (("gap",), "large", "Expected `float | null`, got `str` - at `$.gap`"),
        (("config", "depth"), 3, "expected a configuration with the hash in config_hash"),
        (("config_hash",), 7, "at `$.config_hash`"),
        (("error",), {"type": "MemoryError"}, "missing required field `message` - at `$.error`"),
        (("experiment",), "train", "expected the experiment 'speed_gap', got 'train'"),
        (("experiment",), ["train"], "got the experiment ['train']"),
        (("schema",), {"of": 1}, "got JSON without the schema"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(tmp_path: Path, at, wrong, reason: str) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
    records.write(good, record(2, 8, 1e-3, 1e-4))
    (bad / records.NAME).write_text(json.dumps(damaged(record(2, 8, 1e-3, 1e-4), at, wrong)))
    found = gather(tmp_path)
    assert len(found.rows) == 1
    assert not found.whole
    assert [(file.path, reason in file.reason) for file in found.unreadable] == [(bad / records.NAME, True)]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' * 5_000, '{"a": 1e999}', '{"a": NaN}', '{"a": ' + "9" * 5_000 + "}"]
)
def test_json_that_can_not_be_held_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / records.NAME).write_text(text)
    with pytest.raises(RecordError, match="got broken JSON"):
        records.read(tmp_path / records.NAME)


def test_a_folder_a_pipe_and_a_link_to_nothing_are_named_and_set_aside(tmp_path: Path) -> None:
    for name in ("folder", "pipe", "link"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / records.NAME).mkdir()
    (tmp_path / "folder" / records.NAME / "inside").touch()
    os.mkfifo(tmp_path / "pipe" / records.NAME)
    (tmp_path / "link" / records.NAME).symlink_to("nowhere")
    reasons = {file.path.parent.name: file.reason for file in records.read_all(tmp_path)[1]}
    assert {name: reason.rpartition(": ")[2] for name, reason in reasons.items()} == {
        "folder": "it is a directory",
        "pipe": "it is a pipe, a socket or a device",
        "link": "No such file or directory",
    }
    for folder in tmp_path.iterdir():
        assert records.found(folder, "0", "c") == (Status.UNREADABLE, None)
        storage.set_aside(folder / records.NAME)
        assert records.found(folder, "0", "c") == (Status.NEW, None)
    assert (tmp_path / "folder" / "record.unreadable.json" / "inside").exists()


def test_a_message_of_50_megabytes_is_shown_shortened(tmp_path: Path) -> None:
    long = failed(2, 8)
    long["error"] |= {"message": "long " * 10_000_000, "traceback": "longer " * 5_000_000}
    records.write(tmp_path, long)
    collect(tmp_path)
    done = CliRunner().invoke(commands.collect, [str(tmp_path)])
    assert done.exit_code == 1
    assert "(49998050 characters left out)" in " ".join(done.output.split())
    assert sum(path.stat().st_size for path in tmp_path.glob("*.*") if path.name != records.NAME) < 1_000_000


class SilentError(Exception):
    """An error whose own text can't be made."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("error", [ValueError("x" * 10**6), SilentError(), ValueError("caf\udce9")])
def test_any_error_goes_into_a_record_and_comes_out_of_it(tmp_path: Path, error: Exception) -> None:
    told = jobs.described(error)
    assert len(told["message"]) < 2_100
    records.write(tmp_path, failed(2, 8) | {"error": told})
    assert records.read(tmp_path / records.NAME)["error"] == told
    assert collect(tmp_path).rows[0]["status"] == "failed"


def test_what_killed_writers_left_is_removed_and_what_others_wrote_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".record.json.4711.0a1b2c3d.tmp"
    kept = [tmp_path / ".notes.tmp", tmp_path / "record.json.4711.0a1b2c3d.tmp", tmp_path / "record.json"]
    for path in (left, *kept):
        path.write_text("half")
    with storage.held(tmp_path):
        assert not left.exists()
        assert all(path.exists() for path in kept)


def test_a_living_writers_file_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    def meanwhile(handle: int) -> None:
        if not os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112  (a descriptor is no path)
            storage.tidy(tmp_path)
            assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]

    monkeypatch.setattr("os.fsync", meanwhile)
    storage.replace(tmp_path / "summary.csv", "whole")
    assert (tmp_path / "summary.csv").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1
