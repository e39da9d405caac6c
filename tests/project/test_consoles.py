"""The commands on consoles that are not UTF-8: ASCII forms of what the console lacks, and no traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import prograd
import prograd_experiments
from prograd import Elementwise
from prograd.commands import consoles
from prograd.commands.group import main
from prograd.plugins.loading import BrokenPlugin, Plugin
from prograd.plugins.registry import Registry

ENCODINGS = ["cp1252", "ascii", "latin-1", "cp437"]
NETWORK = ["plan", "--n-in", "4", "-l", "affine width=3", "-l", "tanh"]


def run(encoding: str, *arguments: str):
    result = CliRunner(charset=encoding).invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


class Wrong(Elementwise):
    """Its Jacobian is no linear map."""

    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return z_next**2 - 1


@pytest.fixture
def wrong_plugins(monkeypatch: pytest.MonkeyPatch):
    layers = {"wrong": Wrong}
    broken = BrokenPlugin("bröken→", "acme", "1", "expected ∇ℓ ≤ ½, got √2 × 日", "")
    found = Registry(layers, {}, (Plugin("waves", "acme", "1", layers, {}),), (broken,))
    for command in ("plugins", "check"):
        monkeypatch.setattr(f"prograd.commands.{command}.registry", lambda: found)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_plan(encoding: str) -> None:
    result = run(encoding, *NETWORK)
    assert result.exit_code == 0
    assert "Network(4 -> affine -> 3 -> tanh -> 3; 15 parameters)" in result.output


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_catalogue(encoding: str) -> None:
    assert run(encoding, "show", "huber").exit_code == 0
    assert "phi(z) = z*Phi(z)" in run("ascii", "show", "gelu").output


def test_utf_8_stays_as_it_is() -> None:
    assert "Network(4 → affine → 3 → tanh → 3; 15 parameters)" in run("utf-8", *NETWORK).output


@pytest.mark.usefixtures("wrong_plugins")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_plugins_and_checks_that_fail(encoding: str) -> None:
    result = run(encoding, "plugins")
    assert result.exit_code == 0
    assert "1/2, got" in result.output or "½, got" in result.output
    result = run(encoding, "check")
    assert result.exit_code == 1
    assert "jacobian_B: B[0, 0] of sample" in result.output


@pytest.mark.usefixtures("wrong_plugins")
def test_a_character_that_the_console_has_is_left_alone() -> None:
    assert "expected grad l <= ½, got sqrt2 × ?" in run("cp1252", "plugins").output
    assert "expected grad l <= 1/2, got sqrt2 x ?" in run("ascii", "plugins").output


@pytest.mark.usefixtures("wrong_plugins")
def test_json_loses_nothing() -> None:
    assert r"expected \u2207\u2113 \u2264 \u00bd" in run("ascii", "plugins", "--json").output


def test_an_error_message() -> None:
    result = run("cp1252", "check", "tanhh→")
    assert result.exit_code == 2
    assert "tanhh->" in result.output


def test_every_character_of_the_sources_has_a_form() -> None:
    folders = [Path(next(iter(package.__path__))) for package in (prograd, prograd_experiments)]
    text = "".join(file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py"))
    lost = {c for c in set(text) if ord(c) > 127 and consoles.ascii_form(c) == "?"}
    assert not lost


@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_what_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch, errors: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors)
    monkeypatch.setattr(sys, "stdout", stream)
    consoles.write_anything()
    assert stream.errors == errors


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_of_files_that_are_no_text_keep_their_bytes(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    consoles.write_anything()
    stream.write(os.fsdecode(b"caf\xe9"))
    stream.flush()
    assert written.getvalue() == b"caf\xe9"


@pytest.mark.slow
@pytest.mark.starts_processes
def test_a_sweep_and_its_summary(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    bin_ = Path(sys.executable).parent
    sweep = [bin_ / "prograd-run", "-m", "depth=2", "width=2", "repeats=3", f"hydra.sweep.dir={tmp_path}"]
    for command in (sweep, [bin_ / "prograd", "collect", tmp_path]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="ascii", check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        table = [line for line in done.stdout.splitlines() if line.startswith("|")]
        assert len({len(line) for line in table}) == 1  # columns are laid out in the characters that are printed
        assert " +- " in table[-1]
