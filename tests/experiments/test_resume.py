"""Nothing lost, and taken up again: sweeps that are killed, fill a disk, meet each other and bad files, for real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prograd_experiments import records, storage
from tests.helpers import processes
from tests.helpers.distributions import Site
from tests.helpers.harmless import HARMLESS

pytestmark = pytest.mark.starts_processes

QUICK = ("data=iris", "width=3", "repeats=3", "sample_seconds=1e-4", "hydra.sweep.dir=s")

MISCHIEF = (
    HARMLESS
    + """
import os, sys, time
from pathlib import Path

class Quitter(Harmless):
    def act(self):
        sys.exit("enough")

class Hungry(Harmless):
    def act(self):
        raise MemoryError("no room for z")

class Slow(Harmless):
    def act(self):
        while not Path(os.environ["GO"]).exists():
            time.sleep(0.01)

@hookimpl
def prograd_layers():
    return {"harmless": Harmless, "quitter": Quitter, "hungry": Hungry, "slow": Slow}
"""
)


@pytest.fixture(scope="module")
def mischief(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution, whose layers do to a process what should not happen."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.plugin("mischief", MISCHIEF)
    return site.folder


@pytest.fixture
def settings(mischief: Path, tmp_path: Path) -> dict[str, str]:
    # Without git the code is known by its version: nobody's commit comes between two sweeps of a test.
    given = {"PATH": "", "PYTHONPATH": str(mischief), "GO": str(tmp_path / "go"), "COLUMNS": "100"}
    return os.environ | {"OPENBLAS_NUM_THREADS": "1"} | given


def run(folder: Path, settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["prograd-run", "-m", *arguments], folder, settings)


def begin(folder: Path, settings: dict[str, str], *arguments: str) -> processes.Started:
    return processes.begin(["prograd-run", "-m", *arguments], folder, settings)


def until(what: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def statuses(folder: Path) -> dict[str, str]:
    """The status of each point by what it varies; reading them is a check that each is whole."""
    return {path.parent.name.rsplit("_", 1)[0]: records.read(path)["status"] for path in folder.glob("*/record.json")}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("*/record.json")}


def test_the_same_command_goes_on_where_it_stopped(tmp_path: Path, settings) -> None:
    points = ("depth=2,3,4,5,6", *QUICK)
    first = run(tmp_path, settings, *points)
    assert first.returncode == 0, first.stderr
    assert "5 points: 5 new" in first.stdout
    before = contents(tmp_path / "s")
    one, two, three, four, five = sorted(before)

    one.unlink()
    two.write_text('{"precious": tr')
    three.write_text('{"schema": "of someone else"}')
    four.write_text(json.dumps(json.loads(before[four]) | {"status": "failed", "error": None}))
    again = run(tmp_path, settings, *points)

    assert again.returncode == 0, again.stdout
    assert (
        "5 points: 1 complete, skipped; 1 failed, repeated; 2 unreadable, set aside and repeated; 1 new" in again.stdout
    )
    assert "[4/4]" in again.stdout
    assert set(statuses(tmp_path / "s").values()) == {"complete"}
    assert five.read_bytes() == before[five]
    assert (two.parent / "record.unreadable.json").read_text() == '{"precious": tr'
    assert (three.parent / "record.unreadable.json").read_text() == '{"schema": "of someone else"}'

    forced = run(tmp_path, settings, "depth=2", "seed=0,1", *QUICK, "force=true")
    assert "2 points: 1 complete, repeated (force=true); 1 new" in forced.stdout
    after = contents(tmp_path / "s")
    assert len(after) == 6
    assert [path.parent.name.split("_")[0] for path in before if after[path] == before[path]] == ["depth-6"]
    assert one.parent.name.startswith("depth-2_")


@pytest.mark.parametrize("target", ["precious.txt", "nowhere", ".", "/dev/null"])
def test_a_link_in_the_place_of_a_lock_is_set_aside_and_its_target_left_alone(tmp_path: Path, target: str) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    (tmp_path / ".lock").symlink_to(target)
    with storage.held(tmp_path):
        assert not (tmp_path / ".lock").is_symlink()
        assert storage.busy(tmp_path)
    assert precious.read_text() == "precious"
    assert (tmp_path / ".lock.unreadable").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_whatever_is_in_the_place_of_a_record_is_set_aside_and_the_point_repeated(tmp_path: Path, settings) -> None:
    points = ("depth=2,3,4,5,6", *QUICK)
    run(tmp_path, settings, *points)
    folder, pipe, other, place, lock = sorted(contents(tmp_path / "s"))
    folder.unlink()
    folder.mkdir()
    pipe.unlink()
    os.mkfifo(pipe)
    other.write_text(json.dumps(json.loads(other.read_bytes()) | {"environment": ["none"]}))
    shutil.rmtree(place.parent)
    place.parent.write_text("a file in the place of a folder")
    lock.unlink()
    (lock.parent / ".lock").mkdir()
    left = [tmp_path / "s" / ".summary.csv.1.00000000.tmp", folder.parent / ".record.json.1.00000000.tmp"]
    for path in left:
        path.write_text("half")

    collected = processes.run(["prograd", "collect", "s"], tmp_path, settings)
    assert collected.returncode == 2
    assert collected.stderr.count("record.json: ") == 3
    again = run(tmp_path, settings, *points)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "5 points: 3 unreadable, set aside and repeated; 2 new" in again.stdout
    assert set(statuses(tmp_path / "s").values()) == {"complete"}
    assert len(statuses(tmp_path / "s")) == 5
    assert len(list(tmp_path.glob("s/*/record.unreadable.json"))) == 3
    assert len(list(tmp_path.glob("s/*unreadable*"))) == 1
    assert not any(path.exists() for path in left)


def test_a_job_that_takes_its_process_along_is_the_only_one_lost(tmp_path: Path, settings) -> None:
    points = ("depth=2", "activation=hungry,quitter,harmless", "seed=0", *QUICK)
    done = run(tmp_path, settings, *points)
    assert done.returncode == 1
    found = {path.parent.name.split("_")[0]: records.read(path) for path in (tmp_path / "s").glob("*/record.json")}
    assert found["activation-harmless"]["status"] == "complete"
    assert found["activation-hungry"]["error"]["message"] == "no room for z"
    assert found["activation-quitter"]["error"]["type"] == "SystemExit"
    assert "act" in found["activation-quitter"]["error"]["traceback"]
    page = (tmp_path / "s" / "report.html").read_text()
    summary = (tmp_path / "s" / "summary.csv").read_text()
    for text in (page, summary, " ".join(done.stdout.split())):
        assert "MemoryError: no room for z" in text
        assert "SystemExit: enough" in text


def test_two_sweeps_never_write_into_one_directory_and_a_dead_one_holds_nothing(tmp_path: Path, settings) -> None:
    points = ("depth=2", "activation=harmless,slow", *QUICK)
    alive = begin(tmp_path, settings, *points)
    try:
        until(lambda: statuses(tmp_path / "s") == {"activation-harmless": "complete", "activation-slow": "running"})
        before = contents(tmp_path / "s")
        second = run(tmp_path, settings, "depth=2", *QUICK)
        assert second.returncode == 2
        assert f"s: expected a free directory, got one in use by process {alive.pid} on " in second.stderr
        assert contents(tmp_path / "s") == before
        (lock,) = (tmp_path / "s").glob("*slow*/.lock")
        worker = lock.read_text().split()[1]
    finally:
        alive.kill()
        alive.wait()
    until(lambda: not Path("/proc", worker).exists())
    assert statuses(tmp_path / "s") == {"activation-harmless": "complete", "activation-slow": "running"}

    Path(settings["GO"]).touch()
    third = run(tmp_path, settings, *points)
    assert third.returncode == 0, third.stdout + third.stderr
    assert "2 points: 1 complete, skipped; 1 not finished, repeated" in third.stdout
    assert set(statuses(tmp_path / "s").values()) == {"complete"}
    assert contents(tmp_path / "s").items() >= {(p, c) for p, c in before.items() if "harmless" in str(p)}
    assert not list(tmp_path.rglob(".lock"))


@pytest.mark.parametrize("finished", [1, 9])
def test_a_sweep_killed_at_any_moment_leaves_only_whole_records(tmp_path: Path, settings, finished: int) -> None:
    sweep = begin(tmp_path, settings, "seed=range(20)", "depth=2", *QUICK)
    try:
        until(lambda: len(list((tmp_path / "s").glob("*/record.json"))) >= finished)
    finally:
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait()
    found = list(statuses(tmp_path / "s").values())
    assert finished <= len(found) < 20
    assert found.count("running") <= 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB."""
    folder, mount = tmp_path / "disk", shutil.which("mount")
    folder.mkdir()
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=1500k", "none", folder], check=False)
    if not made or made.returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", "--lazy", folder], check=True)


def test_a_full_disk_ends_the_sweep_with_a_message_and_whole_records(small_disk: Path, settings) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1_400_000))
    points = ("depth=2", "seed=0,1,2,3,4,5", *QUICK)

    full = run(small_disk, settings, *points)

    assert full.returncode == 1
    assert full.stderr.startswith("prograd-run: ")
    assert "no space left on device" in full.stderr.lower()
    assert len(full.stderr.splitlines()) == 1
    kept = {path: text for path, text in contents(small_disk / "s").items() if b'"complete"' in text}
    assert 1 <= len(kept) < 6
    assert set(statuses(small_disk / "s").values()) <= {"complete", "running"}

    filler.unlink()
    again = run(small_disk, settings, *points)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"6 points: {len(kept)} complete, skipped" in again.stdout
    assert contents(small_disk / "s").items() >= kept.items()


def test_a_read_only_directory_is_refused_in_one_line(small_disk: Path, settings) -> None:
    mount = shutil.which("mount") or "mount"
    subprocess.run([mount, "-o", "remount,ro", small_disk], check=True)
    done = run(small_disk, settings, "depth=2", *QUICK)
    assert done.returncode == 1
    assert done.stderr == "prograd-run: s: expected a path that can be used, got read-only file system\n"


def test_one_job_keeps_a_record_that_stands(tmp_path: Path, settings) -> None:
    def one(*more: str) -> subprocess.CompletedProcess[str]:
        arguments = ("data=iris", "depth=1", "repeats=3", "sample_seconds=1e-4", "hydra.run.dir=r", *more)
        return processes.run(["prograd-run", *arguments], tmp_path, settings)

    assert one().returncode == 0
    before = (tmp_path / "r" / "record.json").read_bytes()
    again, other = one(), one("seed=1")
    assert again.returncode == 0
    assert "complete already; force=true runs it again" in again.stdout
    assert other.returncode == 2
    assert "got the record of another configuration" in other.stderr
    assert (tmp_path / "r" / "record.json").read_bytes() == before
