"""Code of plugins may raise what ends a process, print anywhere, and ask for the registry from any thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

import prograd
from prograd import foreign
from prograd.commands.group import main
from prograd.plugins.registry import DISABLE
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from tests.helpers.distributions import PLUGIN, Site

ENDINGS = [SystemExit(0), SystemExit("bye"), GeneratorExit()]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


def run(command, site):
    """A command in a fresh interpreter that has the site's plugins."""
    env = os.environ | {"PYTHONPATH": str(site.folder), "OPENBLAS_NUM_THREADS": "1", DISABLE: ""}
    return subprocess.run([sys.executable, *command], env=env, check=False, capture_output=True, text=True, timeout=100)


def plugin(site, before="", inside="return 2 * z"):
    body = PLUGIN.replace("NAME", "otter").replace("return 2 * z", inside)
    site.plugin("otter", textwrap.dedent(before) + body)


def ending(error):
    class Ends(prograd.Elementwise):
        def phi(self, z):
            raise error

        def dphi(self, z, z_next):
            return np.ones_like(z)

    return Ends


class UnspeakableError(Exception):
    def __str__(self):
        raise SystemExit(0)


@pytest.mark.parametrize("error", [*ENDINGS, UnspeakableError()], ids=repr)
def test_the_kit_reports_whatever_a_layer_raises(error):
    report = LAYER_CHECKS.report(LayerCase(ending(error)(), 3))
    assert report.failures
    assert f"raised {type(error).__name__}" in report.failures[0].message


def test_nothing_that_an_error_says_moves_the_terminal():
    report = LAYER_CHECKS.report(LayerCase(ending(ValueError("\x1b[31mred\x07\x9b\rtwo\nlines\t"))(), 3))
    assert r"ValueError: \x1b[31mred\x07\x9b\rtwo" + "\nlines\t" in report.failures[0].message


def test_an_interrupt_of_the_user_ends_a_check():
    with pytest.raises(KeyboardInterrupt):
        LAYER_CHECKS.report(LayerCase(ending(KeyboardInterrupt())(), 3))


def test_in_a_program_that_listens_an_interrupt_of_a_layer_is_the_layers():
    with foreign.listening():
        report = LAYER_CHECKS.report(LayerCase(ending(KeyboardInterrupt())(), 3))
        assert "raised KeyboardInterrupt" in report.failures[0].message
        with pytest.raises(foreign.Interrupt):
            LAYER_CHECKS.report(LayerCase(ending(foreign.Interrupt())(), 3))


@pytest.mark.slow
@pytest.mark.starts_processes
@pytest.mark.parametrize("inside", ["raise SystemExit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"])
def test_no_command_ends_in_silence(site, inside):
    plugin(site, inside=inside)
    checked = run(["-m", "prograd", "check", "otter"], site)
    assert checked.returncode == 1
    assert "raised" in checked.stdout
    shown = run(["-m", "prograd", "show", "otter"], site)
    assert shown.returncode == 0
    assert inside.split()[1].split("(")[0] in shown.stdout


@pytest.mark.starts_processes
def test_json_stays_json_whatever_a_plugin_prints(site):
    plugin(
        site,
        """
        import atexit, os, subprocess, sys, threading, time

        print("at import")
        os.write(1, b"to the descriptor\\n")
        subprocess.run([sys.executable, "-c", "print('in a process')"])
        atexit.register(print, "at exit")
        atexit.register(os.write, 1, b"at exit, to the descriptor\\n")
        sys.__stdout__.write("to the first stdout\\n")

        def talk():
            while True:
                print("in a thread")
                time.sleep(0.01)

        threading.Thread(target=talk, daemon=True).start()
        """,
    )
    done = run(["-m", "prograd", "plugins", "--json"], site)
    assert done.returncode == 0
    assert "otter" in {row["name"] for row in json.loads(done.stdout)}
    for words in ("at import", "to the descriptor", "in a process", "at exit", "in a thread", "to the first stdout"):
        assert words in done.stderr


@pytest.mark.starts_processes
def test_the_registry_is_made_once_whoever_asks(site):
    plugin(
        site,
        """
        import time
        time.sleep(0.3)
        print("imported")
        """,
    )
    done = run(
        [
            "-c",
            textwrap.dedent(
                """
                import sys, threading, prograd
                found = []
                threads = [threading.Thread(target=lambda: found.append(prograd.registry())) for _ in range(8)]
                [thread.start() for thread in threads]
                print("meanwhile")
                [thread.join() for thread in threads]
                assert len(found) == 8 and len(set(map(id, found))) == 1
                assert sys.stdout is sys.__stdout__
                print("afterwards")
                """
            ),
        ],
        site,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["meanwhile", "afterwards"]
    assert done.stderr.split() == ["imported"]


@pytest.mark.starts_processes
def test_a_plugin_that_asks_for_the_registry_finds_what_came_before_it(site):
    plugin(site, "import prograd\nNAMES = sorted(prograd.registry().layers)\nTANH = prograd.layer('tanh')\n")
    done = run(
        ["-c", "import prograd; print('otter' in prograd.registry().layers); import otter; print(otter.NAMES)"], site
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True\n['affine'")


def test_json_in_a_console_that_is_no_descriptor():
    before = sys.stdout
    done = CliRunner().invoke(main, ["plugins", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)
    assert sys.stdout is before
