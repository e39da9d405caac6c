"""`prograd new NAME` writes a plugin that installs, passes its own tests and is found, or writes nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.version import Version

import prograd
from prograd.commands.group import main
from prograd.commands.new import Names, write
from prograd.errors import OptionError
from tests.helpers.distributions import others, top_level
from tests.helpers.documents import blocks


@pytest.fixture(autouse=True)
def nobody_has_the_names(monkeypatch):
    """Hides the modules of other plugins that are installed here, whose names new plugins can't have."""
    for distribution in others().values():
        for name in top_level(distribution):
            monkeypatch.setitem(sys.modules, name, None)


def new(*arguments):
    return CliRunner().invoke(main, ["new", *map(str, arguments)])


def run(*command, cwd, path):
    # As its author would run it, without what this run of pytest or the caller has set.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PROGRAD_"))}
    env |= {"PYTHONPATH": str(path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def install_and_test(folder, site):
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "install", *offline, "--target", site, folder, cwd=folder, path="")
    passed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, path=site)
    assert "passed" in passed
    assert "failed" not in passed


@pytest.mark.starts_processes
def test_a_name_that_begins_with_test_is_no_test_class(tmp_path):
    assert new("test-waves", "--dir", tmp_path).exit_code == 0
    install_and_test(tmp_path / "test-waves", tmp_path / "site")


@pytest.mark.starts_processes
def test_it_installs_passes_its_tests_and_is_found(tmp_path):
    done = new("calm-waves", "--dir", tmp_path / "plugins")
    assert done.exit_code == 0, done.output
    folder, site = tmp_path / "plugins" / "calm-waves", tmp_path / "site"
    assert str(folder) in done.output

    install_and_test(folder, site)
    for block in blocks(folder / "README.md"):
        if block.language == "python":
            run(sys.executable, "-c", block.text, cwd=tmp_path, path=site)

    command = [Path(sys.executable).parent / "prograd"]
    listed = json.loads(run(*command, "plugins", "--json", cwd=tmp_path, path=site))
    assert [row for row in listed if row["distribution"] == "calm-waves"] == [
        {
            "name": "calm_waves",
            "kind": "layer",
            "distribution": "calm-waves",
            "version": "0.1.0",
            "status": "ok",
            "recordable": "yes",
            "error": None,
        }
    ]
    run(*command, "check", "calm_waves", cwd=tmp_path, path=site)


def test_every_file_has_its_place_and_its_names(tmp_path):
    folder = write("Prograd-Calm.Waves", tmp_path)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        ".github/workflows/benchmarks.yml",
        ".github/workflows/ci.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "asv.conf.json",
        "benchmarks/__init__.py",
        "benchmarks/control.py",
        "benchmarks/gradient.py",
        "pyproject.toml",
        "src/prograd_calm_waves/__init__.py",
        "src/prograd_calm_waves/py.typed",
        "tests/test_calm_waves.py",
    }
    text = "".join((folder / file).read_text() for file in files)
    assert [name for name in ("my-plugin", "my_plugin", "my_layer", "MyLayer") if name in text] == []
    assert "class CalmWaves(Layer)" in text
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "Prograd-Calm.Waves"
    assert project["entry-points"] == {"prograd": {"calm_waves": "prograd_calm_waves"}}
    workflow = yaml.safe_load((folder / ".github/workflows/ci.yml").read_text())
    assert {"run": "python -m pytest"} in workflow["jobs"]["test"]["steps"]
    gate = yaml.safe_load((folder / ".github/workflows/benchmarks.yml").read_text())["jobs"]["gate"]["steps"]
    assert {"run": 'python -m pip install -e ".[bench]"'} in gate
    assert any("python -m prograd_benchmarks.gate" in step.get("run", "") for step in gate)
    assert ".asv/" in (folder / ".gitignore").read_text().splitlines()


def test_others_may_read_what_it_writes(tmp_path):
    mask = os.umask(0o022)
    try:
        folder = write("waves", tmp_path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "pyproject.toml").stat().st_mode) == 0o644


def test_the_template_was_written_for_this_version(tmp_path):
    project = tomllib.loads((write("waves", tmp_path) / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["bench"]]
    found = [requirement.specifier for requirement in map(Requirement, wanted) if requirement.name == "prograd"]
    here = Version(prograd.__version__)
    assert [specifier.contains(here) for specifier in found] == [True, True]
    assert [specifier.contains(Version(f"{here.major + 1}.0")) for specifier in found] == [False, False]


def test_names_follow_from_the_distributions():
    assert Names.of("waves") == Names("waves", "waves", "waves", "Waves")
    assert Names.of("Calm.Waves-2") == Names("Calm.Waves-2", "calm_waves_2", "calm_waves_2", "CalmWaves2")
    assert Names.of("prograd-waves") == Names("prograd-waves", "prograd_waves", "waves", "Waves")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "expected ASCII letters, digits"),
        ("-waves", "a letter or a digit first and last"),
        ("waves-", "a letter or a digit first and last"),
        ("waves\n", "expected ASCII letters, digits"),
        ("my waves", "expected ASCII letters, digits"),
        ("../waves", "expected ASCII letters, digits"),
        ("w/aves", "expected ASCII letters, digits"),
        ("wellen-größe", "expected ASCII letters, digits"),
        ("2d-waves", "'2d_waves' can't be a name in Python"),
        ("prograd-2d", "'2d' can't be a name in Python"),
        ("lambda", "'lambda' can't be a name in Python"),
        ("prograd-lambda", "'lambda' can't be a name in Python"),
        ("json", "Python has a module 'json' of its own"),
        ("Random", "Python has a module 'random' of its own"),
        ("numpy", "a module 'numpy' is installed already"),
        ("prograd", "a module 'prograd' is installed already"),
        ("prograd-layers", "a module 'prograd_layers' is installed already"),
        ("layer", "the layer's class would be Layer, which means something else already"),
        ("prograd-diagonal", "the layer's class would be Diagonal"),
        ("exception", "the layer's class would be Exception"),
        ("none", "the layer's class would be None"),
        ("relu", "plugin 'layers' of prograd"),
        ("prograd-layer-norm", "has a layer 'layer_norm' already"),
    ],
)
def test_a_name_that_cannot_be_used(name, reason, tmp_path):
    with pytest.raises(OptionError) as caught:
        write(name, tmp_path)
    assert reason in str(caught.value)
    done = new("--dir", tmp_path, "--", name)
    assert done.exit_code == 2
    assert reason in done.output
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_overwritten(tmp_path):
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "thesis.tex").write_text("three years")
    done = new("waves", "--dir", tmp_path)
    assert done.exit_code == 2
    assert f"{tmp_path / 'waves'}: expected no folder, or an empty one" in done.output
    assert [path.name for path in tmp_path.rglob("*")] == ["waves", "thesis.tex"]

    (tmp_path / "ripples").write_text("a file")
    assert "expected no folder, or an empty one" in new("ripples", "--dir", tmp_path).output
    assert (tmp_path / "ripples").read_text() == "a file"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "waves").mkdir()
    assert new("waves", "--dir", tmp_path).exit_code == 0
    assert (tmp_path / "waves" / "pyproject.toml").exists()


def test_a_file_where_the_folder_should_go(tmp_path):
    (tmp_path / "file").write_text("")
    done = new("waves", "--dir", tmp_path / "file" / "below")
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_it_is_written_whole_or_not_at_all(error, tmp_path, monkeypatch):
    written = []

    def write_text(path, text, **options):
        if len(written) == 3:
            raise error
        written.append(path)
        return real(path, text, **options)

    real = Path.write_text
    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(type(error)):
        write("waves", tmp_path)
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_next_steps_can_be_pasted(tmp_path):
    done = new("waves", "--dir", tmp_path / "two words")
    assert f"cd '{tmp_path / 'two words' / 'waves'}'" in done.output
