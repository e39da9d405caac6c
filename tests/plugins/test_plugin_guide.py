"""docs/plugins.md works as shown: the test runs every block in order, in one folder and one fresh environment.

A block that names a file is written. Python and shell are run, and a block of text is what the one before it printed,
with `…` for what differs. A block of TOML stands in the plugin's `pyproject.toml`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest

import prograd.operators
import prograd.testing
from prograd.plugins.registry import DISABLE, STRICT
from tests.helpers.distributions import dependencies
from tests.helpers.documents import ROOT, blocks

GUIDE = ROOT / "docs" / "plugins.md"
COMMANDS = ("prograd", "prograd-run", "pytest")


class Reader:
    """Someone who follows the guide: a folder, an environment, and what the last block printed."""

    def __init__(self, folder: Path):
        self.here = folder
        self.printed = ""
        self.scripts = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=False)
        place = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        site = Path(sysconfig.get_path("purelib", "venv", place))
        # prograd and all that the guide installs with it are here already.
        here = str(dependencies(folder / "dependencies"))
        (site / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        for point in metadata.entry_points(group="console_scripts"):
            if point.name in COMMANDS:
                self.script(
                    point.name, f"import sys\nfrom {point.module} import {point.attr}\nsys.exit({point.attr}())\n"
                )
        self.script("pip", PIP)

    def script(self, name, text):
        path = self.scripts / name
        path.write_text(f"#!{self.scripts / 'python'}\n{text}")
        path.chmod(0o755)

    def run(self, *command):
        settings = ("PYTEST_", "PROGRAD_", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
        env |= {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "160", "INSTALLER": sys.executable}
        env["PATH"] = os.pathsep.join([str(self.scripts), os.environ.get("PATH", "")])
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.here,
            env=env,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        self.printed = done.stdout

    def shell(self, text):
        """Runs a block of shell, and stays in the folder that it ends in."""
        self.run("bash", "-euo", "pipefail", "-c", f"{text}\npwd")
        *lines, folder = self.printed.splitlines()
        self.printed, self.here = "\n".join(lines), Path(folder)

    def python(self, text):
        self.run(self.scripts / "python", "-W", "error", "-c", text)

    def write(self, file, text):
        (self.here / file).parent.mkdir(parents=True, exist_ok=True)
        (self.here / file).write_text(text)


# Installs from what is there: nothing is downloaded, and builds use the hatchling that is installed.
PIP = dedent("""
    import os, re, subprocess, sys

    command, *arguments = sys.argv[1:]
    arguments = [re.sub(r"\\[.*\\]$", "", argument) for argument in arguments]
    offline = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    pip = [os.environ["INSTALLER"], "-m", "pip", "--python", sys.executable, command]
    sys.exit(subprocess.run([*pip, *offline, *arguments]).returncode)
""")


@pytest.mark.starts_processes
def test_following_the_guide(tmp_path):
    reader = Reader(tmp_path)
    for block in blocks(GUIDE):
        try:
            follow(reader, block)
        except AssertionError as error:
            error.add_note(f"in the block at {GUIDE.name}:{block.line}:\n{block.text}")
            raise
    assert [path.suffix for path in (reader.here / "dist").iterdir()] == [".whl"]
    assert (reader.here / "sweep" / "report.html").exists()


def follow(reader, block):
    match block.language:
        case _ if block.file:
            reader.write(block.file[1], block.text.removeprefix(block.file[0]))
        case "python":
            reader.python(block.text)
        case "sh":
            reader.shell(block.text)
        case "text":
            for line in block.text.splitlines():
                pattern = ".*".join(re.escape(part.strip()) for part in re.split("…", line))
                assert re.search(pattern, reader.printed), f"expected {line!r} in\n{reader.printed}"
        case "toml":
            written = tomllib.loads((reader.here / "pyproject.toml").read_text())
            assert contains(written, tomllib.loads(block.text)), block.text
        case language:
            raise AssertionError(f"a block of {language or 'no language'} can't be run")


def contains(whole, part):
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return whole == part


def test_what_is_promised_exists():
    """Every name in the table of what is stable is there, and every public method is in the table."""
    stable = GUIDE.read_text().partition("## What is stable")[2]
    for cls in (prograd.Layer, prograd.Elementwise, prograd.Loss, prograd.Penalty, prograd.operators.Operator):
        (listed,) = re.findall(rf"`{cls.__name__}` \(([^)]*)\)", stable)
        promised = set(re.findall(r"`(\w+)`", listed))
        present = {name for name in {*dir(cls), *cls.__annotations__} if not name.startswith("_")}
        assert promised <= present, cls
    for name in prograd.testing.__all__:
        assert f"`{name}`" in stable or name in {"Outcome", "Report", "ConformanceError"}


def test_every_operator_is_in_the_guide():
    table = GUIDE.read_text().partition("| operator | the map |")[2].partition("\n\n")[0]
    structured = {"Diagonal", "DiagonalPlusLowRank", "Kronecker", "Sparse", "SparseKronecker", "Stacked"}
    concrete = structured | {"Dense", "Identity", "Zero"}
    assert {name for name in concrete if f"{name}(" not in table} == set()
    assert concrete <= set(prograd.operators.__all__)


def test_both_settings_are_in_the_guide():
    assert [name for name in (DISABLE, STRICT) if f"`{name}=" not in GUIDE.read_text()] == []
