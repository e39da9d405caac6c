"""A third-party plugin works from source to sweep: wheels, a fresh environment, its own tests, its names.

The plugin is `examples/third_party_plugin`, which prograd does not know.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers.distributions import dependencies
from tests.helpers.documents import blocks

pytestmark = pytest.mark.starts_processes

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "third_party_plugin"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
OFFLINE = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")


class Environment:
    """A fresh virtual environment with two wheels; other packages come from the running environment."""

    def __init__(self, folder: Path):
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.scripts = folder / "venv" / "bin"
        self.python = self.scripts / "python"
        place = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        self.site = Path(sysconfig.get_path("purelib", "venv", place))

    def install(self, *wheels):
        self.run(sys.executable, "-m", "pip", "--python", self.python, "install", *OFFLINE, *wheels)
        # Dependencies come from where the tests run, so that nothing is downloaded. None of their `.pth` files is read:
        # the project's sources, if they are installed for development, stay out of this environment.
        (self.site / "dependencies.pth").write_text(f"{dependencies(self.folder / 'dependencies')}\n")

    def run(self, *command):
        settings = ("PYTEST_", "PROGRAD_", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
        env |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        env["PATH"] = os.pathsep.join([str(self.scripts), os.environ.get("PATH", "")])
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, env=env, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def wheel(project, folder):
    """Builds a wheel with the hatchling that is installed here."""
    command = [sys.executable, "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", folder, project]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return [wheel(ROOT, tmp_path_factory.mktemp("prograd")), wheel(EXAMPLE, tmp_path_factory.mktemp("example"))]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, wheels):
    environment = Environment(tmp_path_factory.mktemp("fresh"))
    environment.install(*wheels)
    return environment


def test_the_environment_has_the_wheels_and_not_the_sources(fresh):
    code = "import prograd, prograd_layers, prograd_experiments, prograd_rates as r; print(*(m.__file__ for m in"
    found = fresh.run(fresh.python, "-c", f"{code} (prograd, prograd_layers, prograd_experiments, r)), sep='\\n')")
    assert [Path(path).is_relative_to(fresh.site) for path in found.split()] == [True] * 4


def test_its_own_tests_pass_there(fresh):
    passed = fresh.run(
        fresh.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests"
    )
    assert " passed" in passed


SUITE = """
import itertools, math
from asv_runner import discovery
root = "benchmarks"
for found in discovery.disc_benchmarks(root):
    for index, params in enumerate(itertools.product(*found._params)):
        benchmark = discovery.get_benchmark_from_name(root, f"{found.name}-{index}" if params else found.name)
        assert benchmark.check(root)
        assert not benchmark.do_setup()
        result = benchmark.do_run()
        values = result["samples"] if isinstance(result, dict) else [result]
        assert values and all(math.isfinite(value) and value > 0 for value in values), found.name
        print(found.name, found.unit)
"""


def test_its_asv_suite_runs_there_on_prograds_parts(fresh):
    ran = fresh.run(fresh.python, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLE)!r})\n{SUITE}").splitlines()
    assert {line.split()[1] for line in ran} == {"seconds", "ratio", "instructions", "calls", "bytes", "multiply-adds"}
    assert sum(line.startswith("control.Control.") for line in ran) == 3


def test_it_is_listed_with_what_it_brings(fresh):
    rows = json.loads(fresh.run(fresh.scripts / "prograd", "plugins", "--json"))
    ours = {"distribution": PROJECT["name"], "version": PROJECT["version"], "status": "ok"}
    ours |= {"recordable": "yes", "error": None}
    assert [row for row in rows if row["distribution"] != "prograd"] == [
        {"name": "fourier_features", "kind": "layer", **ours},
        {"name": "poisson", "kind": "loss", **ours},
    ]
    assert {row["status"] for row in rows} == {"ok"}


def test_it_is_checked_by_name(fresh):
    checked = json.loads(fresh.run(fresh.scripts / "prograd", "check", "fourier_features", "poisson", "--json"))
    assert [(row["name"], row["status"]) for row in checked] == [("fourier_features", "passed"), ("poisson", "passed")]


def test_it_is_swept_by_name(fresh):
    sweep = fresh.folder / "sweep"
    settings = ("depth=2", "width=4,8", "activation=fourier_features", "repeats=3", f"hydra.sweep.dir={sweep}")
    fresh.run(fresh.scripts / "prograd-run", "-m", "experiment=speed_gap", *settings)
    records = [json.loads(path.read_text()) for path in sorted(sweep.glob("*/record.json"))]
    assert [record["status"] for record in records] == ["complete"] * 2
    assert {record["config"]["activation"] for record in records} == {"fourier_features"}
    with (sweep / "summary.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_the_projects_wheel_makes_new_plugins(fresh):
    fresh.run(fresh.scripts / "prograd", "new", "calm-waves")
    files = {str(path.relative_to(fresh.folder / "calm-waves")) for path in (fresh.folder / "calm-waves").rglob("*.*")}
    assert {".github/workflows/ci.yml", ".gitignore", "asv.conf.json", "src/calm_waves/__init__.py"} <= files


def test_the_wheels_hold_packages_and_nothing_else(wheels):
    roots = [{Path(name).parts[0] for name in zipfile.ZipFile(built).namelist()} for built in wheels]
    project, example = ({root for root in found if not root.endswith(".dist-info")} for found in roots)
    names = ("", "_layers", "_losses", "_penalties", "_benchmarks", "_experiments")
    assert project == {"hydra_plugins", *(f"prograd{name}" for name in names)}
    assert example == {"prograd_rates"}


def test_the_code_of_its_readme_runs(fresh):
    (code,) = (block.text for block in blocks(EXAMPLE / "README.md") if block.language == "python")
    assert "the rate in the middle:" in fresh.run(fresh.python, "-c", code)
