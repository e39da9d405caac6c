"""What plugins bring enters the configuration isolated: only a run that names it notices, and is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from prograd_experiments import records
from prograd_experiments.config import isolated
from prograd_experiments.errors import ConfigError
from tests.helpers import processes
from tests.helpers.distributions import Site

QUICK = ("data=synthetic", "data.task=regression", "repeats=3", "sample_seconds=1e-4")

ODD = '''
import enum
from dataclasses import dataclass, field
from typing import Any
import numpy as np
from prograd import Elementwise, Loss, Penalty, hookimpl

class Colour(enum.Enum):
    RED = 1

def no_data():
    raise RuntimeError("no data here")

@dataclass(frozen=True)
class Squares(Loss):
    """The sum of (z − y)²."""
    cut: float = 1.5
    scalar: Any = np.float64(2)
    array: Any = field(default_factory=lambda: np.ones(3))
    function: Any = len
    colour: Any = Colour.RED
    text: str = "${x}"
    name: str = "mine"

    def value(self, z, y):
        assert isinstance(self.array, np.ndarray) and self.function is len and self.text == "${x}"
        return ((z - y) ** 2).sum(axis=1)

    def gradient(self, z, y):
        return 2 * (z - y)

@dataclass(frozen=True)
class Raising(Squares):
    weight: Any = field(default_factory=no_data)

@dataclass(frozen=True)
class Cubes(Penalty):
    """ρ(w) = rate Σ |w_k|³."""
    rate: float = 1e-3
    function: Any = len

    def value(self, w):
        return self.rate * (abs(w) ** 3).sum()

    def gradient(self, w):
        return 3 * self.rate * w * abs(w)

class Same(Elementwise):
    """phi(z) = z."""
    def phi(self, z):
        return z
    def dphi(self, z, z_next):
        return np.ones_like(z)

class Quitter(Same):
    def __init__(self):
        raise SystemExit(4)

class Divider(Same):
    def shapes(self, n_in):
        raise ZeroDivisionError("oops")

@hookimpl
def prograd_losses():
    return {"squares": Squares, "raising": Raising}

@hookimpl
def prograd_penalties():
    return {"cubes": Cubes}

@hookimpl
def prograd_layers():
    return {"outputs": Same, "image": Same, "quitter": Quitter, "divider": Divider}
'''


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed plugin whose classes are legal, and hard to write into a configuration."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.plugin("odd", ODD)
    return site.folder


def run(folder: Path, odd: Path, *words: str, command: str = "prograd-run") -> subprocess.CompletedProcess[str]:
    settings = {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(odd)}
    return processes.run([command, *words], folder, os.environ | settings)


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    "words",
    [
        ("loss=huber",),
        ("--help",),
        ("loss=squares",),
        ("loss=squares", "loss.cut=2", "loss.scalar=3"),
        ("activation=outputs",),
        ("network=custom", "network.layers=[outputs,{name: image},{name: affine, width: outputs}]"),
        (
            "network=custom",
            "network.layers=[{name: residual, layers: [{name: image}]}, outputs, {name: affine, width: outputs}]",
        ),
    ],
)
def test_runs_go_on_with_whatever_is_installed(tmp_path: Path, odd: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, odd, *QUICK, *words)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.starts_processes
def test_a_record_holds_the_options_that_are_plain(tmp_path: Path, odd: Path) -> None:
    assert run(tmp_path, odd, *QUICK, "loss=squares", "hydra.run.dir=r").returncode == 0
    held = records.read(tmp_path / "r" / "record.json")["config"]["loss"]
    assert held == {"name": "squares", "cut": 1.5, "scalar": 2.0}
    words = ("experiment=train", "data=iris", "epochs=1", "penalty=cubes", "penalty.parameters=[W]", "hydra.run.dir=t")
    assert run(tmp_path, odd, *words).returncode == 0
    held = records.read(tmp_path / "t" / "record.json")["config"]["penalty"]
    assert held == {"name": "cubes", "rate": 1e-3, "layers": None, "parameters": ["W"]}


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("loss=raising", "loss=raising: RuntimeError: no data here"),
        ("activation=quitter", "activation=quitter: SystemExit: 4; these need no options: "),
        ("activation=divider", "activation=divider: ZeroDivisionError: oops; these need no options: "),
        ("network=custom network.layers=[quitter]", "network.layers[0]=quitter: SystemExit: 4"),
        ("loss.cut=inf loss=squares", "loss.cut: expected a finite number, got Infinity"),
        ("+loss.cuts={1:2}", "loss.cuts: expected keys that are text, got 1"),
    ],
)
def test_a_run_that_names_what_raises_is_told(tmp_path: Path, odd: Path, words: str, message: str) -> None:
    done = run(tmp_path, odd, *QUICK, *words.split())
    assert done.stderr.startswith(f"prograd-run: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2


@pytest.mark.starts_processes
def test_the_check_of_a_plugin_says_what_a_configuration_leaves_out(tmp_path: Path, odd: Path) -> None:
    done = run(tmp_path, odd, "check", "squares", command="prograd")
    advice = next(line for line in done.stdout.splitlines() if "advice, configuration" in line)
    for option, why in {"array": "got ndarray", "function": "got builtin", "colour": "got Colour"}.items():
        assert f"option {option}: expected a default that is" in advice
        assert why in advice
    assert "option name: in a configuration, name is the name of the layer, the loss or the penalty" in advice
    assert "option cut" not in advice


def test_an_interrupt_is_nobodys_mistake() -> None:
    with pytest.raises(KeyboardInterrupt), isolated("loss=slow"):
        raise KeyboardInterrupt
    with (
        pytest.raises(ConfigError, match=r"^loss=bad: KeyError: 'x'; try another$"),
        isolated("loss=bad", "try another"),
    ):
        raise KeyError("x")
