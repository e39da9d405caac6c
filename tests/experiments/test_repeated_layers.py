"""A registered layer, whoever's, that a network repeats at its width: what is built, and what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd_experiments import networks, records
from prograd_experiments.arguments import arranged
from prograd_experiments.config import config_hash
from prograd_experiments.errors import ConfigError
from tests.helpers import processes
from tests.helpers.configs import CONFIG
from tests.helpers.distributions import Site
from tests.helpers.factors import FACTORS

UNBIASED = {"name": "affine", "bias": False}
QUICK = ("data=iris", "repeats=3", "sample_seconds=1e-4")


def problem(name: str, layer: object, **changes: Any) -> networks.Problem:
    network = {"name": name, "final": None, "layer": layer, **changes.pop("network", {})}
    return networks.build(networks.check(CONFIG | {"width": 4, "network": network} | changes))


@pytest.mark.parametrize(
    ("network", "depth", "sizes"),
    [
        ({"name": "mlp", "layer": UNBIASED}, 2, (3, 4, 4, 4, 4, 2)),
        ({"name": "mlp", "layer": UNBIASED}, 1, (3, 4, 4, 2)),
        ({"name": "mlp", "layer": {"name": "affine", "width": "width"}}, 1, (3, 4, 4, 2)),
        ({"name": "mlp", "layer": "layer_norm"}, 2, (3, 4, 4, 4, 4, 4, 2)),  # an affine layer to the width first
        ({"name": "residual", "layer": UNBIASED}, 2, (3, 4, 4, 4, 2)),
        ({"name": "residual", "layer": "scale_shift"}, 1, (3, 4, 4, 2)),
        ({"name": "hourglass", "bottleneck": 1, "layer": UNBIASED}, 3, (3, 4, 4, 1, 1, 4, 4, 2)),
        ({"name": "hourglass", "bottleneck": 1, "layer": "layer_norm"}, 3, (3, 4, 4, 4, 1, 1, 1, 4, 4, 4, 2)),
    ],
)
def test_a_layer_is_repeated_at_the_widths_and_modes_agree(
    network: dict[str, Any], depth: int, sizes: tuple[int, ...]
) -> None:
    made = problem(str(network["name"]), None, network=network, depth=depth)
    assert made.net.n == sizes
    forward, reverse = (made.objective.gradient(made.w, mode=mode) for mode in ("forward", "reverse"))
    np.testing.assert_allclose(forward, reverse, atol=1e-12)  # sums of at most a few dozen products of order 1


def test_options_reach_every_repetition_and_the_last_layer_is_affine() -> None:
    layers = problem("mlp", UNBIASED, depth=3).net.layers
    assert layers[::2] == (*[prograd.layer("affine", width=4, bias=False)] * 3, prograd.layer("affine", width=2))


def test_without_a_layer_the_configuration_is_the_one_from_before() -> None:
    before = networks.check(CONFIG | {"network": {"name": "mlp", "final": None}})
    assert config_hash(networks.check(CONFIG | {"network": {"name": "mlp", "layer": None, "final": None}})) == (
        config_hash(before)
    )
    named, described = (
        networks.check(CONFIG | {"network": {"name": "mlp", "layer": layer, "final": None}})
        for layer in ("affine", {"name": "affine"})
    )
    assert named == described


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("affin", r"network\.layer\.name: expected one of .*, got affin; did you mean affine"),
        (3, r"network\.layer: expected a layer's name or \{name: …, option: …\}, got 3"),
        ({"name": "affine", "bia": True}, r"network\.layer=affine: .*bia"),
        ({"name": "max_pool2d", "image": [1, 2, 2], "window": 2}, r"network\.layer: .*keeps the size.*maps 4 .* to 1"),
        ({"name": "affine", "bias": "width"}, r"network\.layer=affine: .*bias"),
    ],
)
def test_a_layer_that_can_not_be_repeated_is_refused(layer: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        problem("mlp", layer)


def test_a_layer_with_parameters_as_activation_is_pointed_to_the_key_that_repeats_it() -> None:
    with pytest.raises(ConfigError, match=r"it has parameters \(gamma, beta\); network\.layer=layer_norm repeats it"):
        networks.check(CONFIG | {"activation": "layer_norm"})


def test_options_of_a_layer_can_be_set_beside_its_name() -> None:
    words = ["network.layer=affine,layer_norm", "depth=2", "network.layer.bias=true,false"]
    assert arranged(words) == [
        "network.layer={name: affine},{name: layer_norm}",
        "depth=2",
        "++network.layer.bias=true,false",
    ]
    assert arranged(["network.layer=affine"]) == ["network.layer=affine"]


@pytest.fixture(scope="module")
def factors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed plugin that brings the layers low_rank and circulant."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.plugin("factors", FACTORS)
    return site.folder


def run(folder: Path, factors: Path, *words: str) -> subprocess.CompletedProcess[str]:
    settings = {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(factors)}
    return processes.run(["prograd-run", *words], folder, os.environ | settings)


@pytest.mark.starts_processes
@pytest.mark.parametrize("network", ["residual", "hourglass"])  # `test_walks.py` has an mlp
def test_the_options_of_a_third_party_layer_are_swept(tmp_path: Path, factors: Path, network: str) -> None:
    words = (f"network={network}", "network.layer={name: low_rank, rank: 2}", "network.layer.rank=1,2", *QUICK)
    done = run(tmp_path, factors, "-m", *words, "width=4", "depth=3", "hydra.sweep.dir=s")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = [records.read(path) for path in tmp_path.glob("s/*/record.json")]
    assert sorted(record["config"]["network"]["layer"]["rank"] for record in found) == [1, 2]
    repeated = {"residual": "residual", "hourglass": "low_rank"}[network]
    assert [record["problem"]["layers"].count(repeated) for record in found] == [3, 3]


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("activation=circulant", "it has parameters (c); network.layer=circulant repeats it"),
        ("activation=affine", "; network.layer=affine repeats a layer with parameters"),
        ("network.layer=low_rank network.layer.rank=5", "network.layer=low_rank: ValueError: rank 5 is too large"),
        ("network.layer=low_rank network.layer.rnk=5", "rnk"),
        ("network.layer={name: low_rank, rank: width}", "network.layer=low_rank"),
    ],
)
def test_a_third_party_layer_that_does_not_fit_is_refused(
    tmp_path: Path, factors: Path, words: str, message: str
) -> None:
    given = [words] if "{" in words else words.split()
    done = run(tmp_path, factors, *given, "width=4", *QUICK)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2


@pytest.mark.starts_processes
def test_a_third_party_layer_that_keeps_the_size_is_repeated_after_an_affine_layer(
    tmp_path: Path, factors: Path
) -> None:
    done = run(tmp_path, factors, "network.layer=circulant", "width=5", "depth=2", *QUICK, "hydra.run.dir=r")
    assert (done.returncode, done.stderr) == (0, "")
    layers = records.read(tmp_path / "r" / "record.json")["problem"]["layers"]
    assert layers == ["affine", "circulant", "tanh", "circulant", "tanh", "affine"]
