"""How the gate ends: 1 is a regression and nothing else, and whatever ends it ends asv too."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.starts_processes

GATE = [sys.executable, "-m", "prograd_benchmarks.gate"]
CONFIG = """{
    "version": 1, "project": "waves", "repo": ".", "dvcs": "git", "branches": ["HEAD"], "benchmark_dir": "benchmarks",
    "env_dir": ".asv/env", "environment_type": "virtualenv"
}"""
# It takes the place of the program that makes asv's environments, and does not end by itself.
ENDLESS = """
import os, pathlib, time
__version__ = "20"
if __name__ == "__main__":
    begun = pathlib.Path("begun")
    begun.with_suffix(".new").write_text(str(os.getpid()))
    begun.with_suffix(".new").rename(begun)
    time.sleep(600)
"""


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    command = ["git", "-C", str(folder), *who, *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "waves"
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "benchmarks/__init__.py").touch()
    (folder / "asv.conf.json").write_text(CONFIG)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    for message in ("One", "Two"):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
    ids=str,
)
def test_a_signal_is_no_regression_and_leaves_nothing_running(
    repository: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("is ignored here, as after nohup, and so by the gate")
    (tmp_path / "virtualenv.py").write_text(ENDLESS)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [*GATE, "HEAD~1"]
    gate = subprocess.Popen(command, cwd=repository, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        begun = repository / "begun"
        wait_until(begun.exists)
        gate.send_signal(number)
        _, said = gate.communicate(timeout=60)
    finally:
        gate.kill()
    last = "" if number is signal.SIGKILL else f"bench-gate: ended by {number.name}\n"  # it has no time for a word
    assert (gate.returncode, said) == (code, last)
    wait_until(lambda: not runs(int(begun.read_text())))
    wait_until(lambda: not [process for process in processes() if str(repository) in process])


def wait_until(true) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


def processes() -> list[str]:
    command = ["ps", "-ewwo", "args"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("arguments", [["nowhere"], ["--help"], []], ids=["undecided", "help", "usage"])
def test_a_closed_output_is_no_regression(repository: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*GATE, *arguments]
    try:
        done = subprocess.run(
            command, cwd=repository, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    finally:
        os.close(writing)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["nowhere"], ["--help"], ["nowhere", "--json", "/dev/full"]])
def test_a_full_output_is_no_regression(repository: Path, arguments: list[str]) -> None:
    command = [*GATE, *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=repository, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert "No space left on device; is the output closed, or a disk full?" in done.stderr


def test_an_output_that_is_closed_from_the_start_is_no_regression(repository: Path) -> None:
    command = ["sh", "-c", f"exec '{sys.executable}' -m prograd_benchmarks.gate nowhere >&-"]
    done = subprocess.run(command, cwd=repository, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "standard output is closed" in done.stderr) == (2, True)


@pytest.mark.parametrize("missing", ["asv", "filelock"])
def test_a_missing_package_is_named_and_no_regression(repository: Path, missing: str) -> None:
    code = (
        f"import runpy, sys; sys.modules[{missing!r}] = None; sys.argv[1:] = ['HEAD~1']; "
        "runpy.run_module('prograd_benchmarks.gate', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"bench-gate: could not decide: expected the module {missing!r}, got none of that name; "
        "pip install 'prograd[bench]' installs it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["HEAD~1", "--head", "HEAD", "--worktree"], "expected one of --head and --worktree, got both"),
        (["HEAD~1", "--json", "nowhere/gate.json"], "nowhere/gate.json: expected a path in a folder that exists"),
        (["HEAD~1", "--fast"], "No such option"),
        ([], "Missing argument 'BASE'"),
    ],
)
def test_a_wrong_command_line_is_no_regression(repository: Path, arguments: list[str], said: str) -> None:
    command = [*GATE, *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_what_is_no_repository_is_told(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text(CONFIG)
    command = [*GATE, "HEAD~1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{tmp_path}: expected a git repository, got a folder outside of any" in done.stdout


def test_a_machine_reads_why_there_is_no_decision(repository: Path) -> None:
    command = [*GATE, "nowhere", "--json", "-"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert '"verdict": "undecided"' in done.stdout
    assert "got 'nowhere', which is none" in done.stdout
    assert "bench-gate: could not decide" in done.stderr
