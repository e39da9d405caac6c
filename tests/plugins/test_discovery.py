"""prograd finds plugins in the metadata of installed distributions; importing prograd loads none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from prograd.plugins import discovery
from prograd.plugins.registry import DISABLE
from tests.helpers.distributions import PLUGIN, Site


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


@pytest.fixture
def on_path(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site.folder))
    return site


def python(code, *folders, flags=(), **environment):
    """The JSON that a fresh interpreter prints, with these folders on its path."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "OPENBLAS_NUM_THREADS": "1"} | environment
    env[DISABLE] = f"{os.environ[DISABLE]},{environment.get(DISABLE, '')}"
    done = subprocess.run([sys.executable, *flags, "-c", code], env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SUMMARY = """
import json, prograd
found = prograd.registry()
print(json.dumps({
    "layers": sorted(found.layers), "losses": sorted(found.losses),
    "ok": [[p.name, p.distribution, p.version] for p in found.plugins],
    "broken": [[p.name, p.distribution, p.version, p.error, p.traceback] for p in found.broken],
}))
"""


def test_prograds_own_come_first_and_the_rest_in_order(on_path):
    for name in ("zebra", "Ape", "bee"):
        on_path.install(name, {"b": "x", "a": "y"})
    found = [(source.distribution, source.name) for source in discovery.find()]
    others = [(name, point) for name in ("Ape", "bee", "zebra") for point in ("a", "b")]
    assert [pair for pair in found if pair in others] == others
    assert found[:2] == [("prograd", "layers"), ("prograd", "losses")]


def test_a_source_knows_whose_it_is_and_what_that_requires(on_path):
    on_path.install("My.Otter", {"otter": "otter:plugin"}, version="3.2", requires=["numpy", "prograd>=0.1,<1"])
    (source,) = [source for source in discovery.find() if source.owner == "my-otter"]
    assert source == discovery.Source("otter", "My.Otter", "3.2", "otter:plugin", ("numpy", "prograd>=0.1,<1"))
    assert str(source) == "'otter' of My.Otter 3.2"


def test_one_entry_point_name_in_two_distributions_is_two_plugins(on_path):
    on_path.install("one", {"extra": "one"})
    on_path.install("two", {"extra": "two"})
    assert [source.value for source in discovery.find() if source.name == "extra"] == ["one", "two"]


def test_the_copy_that_is_imported_is_the_one_that_counts(tmp_path, monkeypatch):
    old, new = Site(tmp_path / "old"), Site(tmp_path / "new")
    old.install("otter", {"old": "old"}, version="1.0")
    old.install("ripples", {"ripples": "ripples"}, version="1.0")
    new.install("Otter", {"new": "new"}, version="2.0")
    new.install("ripples", "[console_scripts]\nripples = ripples:main\n", version="2.0")
    monkeypatch.setattr(sys, "path", [str(new.folder), str(old.folder), *sys.path])
    assert [source.value for source in discovery.find() if source.owner == "otter"] == ["new"]
    assert [source for source in discovery.find() if source.owner == "ripples"] == []


@pytest.mark.parametrize("text", ["[prograd]\nno equals sign\n", "[prograd]\nextra\n[console_scripts]\n"])
def test_entry_points_that_cannot_be_read_are_listed(text, on_path):
    on_path.install("garbled", text, version="1.0")
    on_path.install("otter", {"otter": "otter"})
    found = {source.distribution: source for source in discovery.find()}
    assert found["garbled"].unreadable.startswith("the metadata of its distribution can't be read: ")
    assert found["otter"].unreadable == ""


def test_garbled_entry_points_of_others_are_none_of_our_business(on_path):
    on_path.install("garbled", "[console_scripts]\nno equals sign\n")
    assert "garbled" not in {source.distribution for source in discovery.find()}


def test_what_a_half_removed_installation_leaves_is_listed(on_path):
    on_path.install("halved", {"halved": "halved"}, metadata="")
    assert any("metadata of its distribution can't be read" in source.unreadable for source in discovery.find())
    assert "prograd" in {source.distribution for source in discovery.find()}


@pytest.mark.starts_processes
def test_a_broken_plugin_breaks_nothing_else(site):
    site.plugin("aardvark", "raise SystemExit('no licence')", version="0.3")
    site.plugin("badger", "import os\nos.environ[7]\n")
    site.install("halved", {"halved": "halved"}, metadata="")
    site.plugin("otter")
    plain = python(SUMMARY)
    found = python(SUMMARY, site.folder)
    assert found["layers"] == sorted([*plain["layers"], "otter"])
    assert found["losses"] == plain["losses"]
    assert found["ok"] == [*plain["ok"], ["otter", "otter", "1.0"]]
    broken = {name: rest for _, name, *rest in found["broken"]}
    assert set(broken) == {"aardvark", "badger", "unknown"}
    version, error, traceback = broken["aardvark"]
    assert (version, error) == ("0.3", "SystemExit: no licence")
    assert traceback.splitlines()[-2:] == ["    raise SystemExit('no licence')", "SystemExit: no licence"]
    assert broken["badger"][1].startswith("TypeError: ")


@pytest.mark.starts_processes
def test_settings_from_the_environment(site):
    site.plugin("wrong", "raise RuntimeError('no licence')")
    site.plugin("otter")
    site.install("my-otter", {"otter": "ripples"})
    site.module("ripples", PLUGIN.replace("NAME", "ripples"))

    def ask(**environment):
        found = python(SUMMARY, site.folder, **environment)
        return {"otter", "ripples", "relu"} & set(found["layers"]), [name for name, *_ in found["broken"]]

    assert ask() == ({"otter", "ripples", "relu"}, ["wrong"])
    assert ask(PROGRAD_DISABLE_PLUGINS="wrong,My_Otter") == ({"otter", "relu"}, [])
    assert ask(PROGRAD_DISABLE_PLUGINS="otter", PROGRAD_STRICT_PLUGINS="0") == ({"relu"}, ["wrong"])
    assert ask(PROGRAD_DISABLE_PLUGINS="wrong,layers", PROGRAD_STRICT_PLUGINS="1") == ({"otter", "ripples"}, [])

    strict = """
import json, prograd
try:
    prograd.registry()
except prograd.errors.PluginError as error:
    print(json.dumps(str(error)))
"""
    expected = "plugin 'wrong' of wrong 1.0 is broken: RuntimeError: no licence"
    assert python(strict, site.folder, PROGRAD_STRICT_PLUGINS="1") == expected


@pytest.mark.starts_processes
def test_warnings_are_no_errors_of_a_plugins(site):
    site.plugin(
        "otter", "import warnings\nwarnings.warn('old', DeprecationWarning)\n" + PLUGIN.replace("NAME", "otter")
    )
    site.plugin("badger", "import warnings\nwarnings.warn('old')\nraise RuntimeError")
    found = python(SUMMARY, site.folder, flags=["-W", "error"])
    assert "otter" in found["layers"]
    assert [name for name, *_ in found["broken"]] == ["badger"]


@pytest.mark.starts_processes
def test_a_plugin_that_prints_leaves_json_whole(site):
    site.plugin("otter", "print('Welcome to otter!')\n" + PLUGIN.replace("NAME", "otter"))
    assert "otter" in python(SUMMARY, site.folder)["layers"]


def loaded_after(code, *folders):
    """The modules that a fresh interpreter has loaded after `code`."""
    return set(
        python(f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))", *folders, flags=["-W", "error"])
    )


@pytest.mark.starts_processes
def test_importing_prograd_loads_no_plugin_and_nothing_that_it_can_do_without(site):
    site.plugin("otter")
    loaded = loaded_after("import prograd", site.folder)
    roots = {name.partition(".")[0] for name in loaded}
    beyond = {
        *(
            "click",
            "rich",
            "hydra",
            "omegaconf",
            "matplotlib",
            "sklearn",
            "pandas",
            "pytest",
            "hypothesis",
        ),
        *("prograd_layers", "prograd_losses", "prograd_experiments", "otter"),
    }
    assert roots & beyond == set()
    assert {name for name in loaded if name.startswith("prograd.")} & {
        "prograd.commands",
        "prograd.testing",
    } == set()
    assert roots - set(sys.stdlib_module_names) <= {*needed_by_prograd(), *present_before()}


def needed_by_prograd():
    """The modules of what prograd requires, without its commands' own."""
    return {"prograd", "numpy", "scipy", "pluggy", "packaging", "threadpoolctl"}


def present_before():
    """Modules that numpy and scipy, or the environment's `.pth` files, load anyway."""
    return {name.partition(".")[0] for name in loaded_after("import numpy, scipy, scipy.sparse.linalg, scipy.special")}


@pytest.mark.starts_processes
def test_plugins_load_with_the_first_question_and_not_before(site):
    site.plugin("otter")
    asked = "import prograd\nnet = prograd.Network([prograd.layer('affine', width=2)], n_in=3)"
    assert "otter" in loaded_after(asked, site.folder)
    unasked = """
import numpy as np, prograd
from prograd.operators import Diagonal


class Half(prograd.Elementwise):
    def phi(self, z):
        return z / 2

    def dphi(self, z, z_next):
        return np.full_like(z, 0.5)


net = prograd.Network([Half()], n_in=3)
prograd.jacobian(net, net.init(0), np.ones((2, 3)), wrt="input")
"""
    assert loaded_after(unasked, site.folder) & {"otter", "prograd_layers", "prograd_losses"} == set()


@pytest.mark.starts_processes
def test_commands_work_beside_what_is_broken(site):
    site.install("garbled", "[prograd]\nno equals sign\n[prograd.commands]\n")
    site.install("halved", "[prograd.commands]\nhalved = halved:main\n", metadata="")
    site.install("quits", "[prograd.commands]\nquits = quits:main\n[prograd]\nquits = quits\n")
    site.module("quits", "raise SystemExit('no licence')")
    command = [Path(sys.executable).parent / "prograd"]
    env = os.environ | {"PYTHONPATH": str(site.folder), "COLUMNS": "100"}

    def prograd(*arguments):
        done = subprocess.run([*command, *arguments], env=env, check=False, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        return done

    rows = json.loads(prograd("plugins", "--json").stdout)
    assert {row["distribution"] for row in rows if row["status"] == "broken"} == {"garbled", "quits"}
    assert prograd("check", "tanh").returncode == 0
    assert "quits" in prograd("--help").stdout
    assert "SystemExit: no licence" in prograd("quits").stderr


@pytest.mark.starts_processes
def test_a_plugin_that_is_left_out_or_does_not_fit_is_not_imported(site):
    site.plugin("otter")
    site.plugin("future", requires=["prograd>=99"])
    code = "import os, prograd\nos.environ['PROGRAD_DISABLE_PLUGINS'] = 'otter'\nprograd.registry()"
    assert loaded_after(code, site.folder) & {"otter", "future"} == set()


def test_metadata_of_this_installation_has_prograds_own_plugins():
    points = metadata.distribution("prograd").entry_points.select(group="prograd")
    assert {point.name: point.value for point in points} == {
        "layers": "prograd_layers",
        "losses": "prograd_losses",
        "penalties": "prograd_penalties",
    }
