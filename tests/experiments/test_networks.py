"""Networks from a configuration: what each name builds, and what is refused before a job runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd_experiments import networks
from prograd_experiments.errors import ConfigError
from prograd_experiments.records import read
from tests.helpers import processes
from tests.helpers.configs import CONFIG
from tests.helpers.distributions import Site

BASE = CONFIG | {"data": {"name": "digits"}, "width": 16, "batch": 3}
CONV = {"name": "conv", "channels": 4, "kernel": 3, "pool": 2, "image": None, "final": None}
OURS = [{"name": "layer_norm"}, "gelu", {"name": "affine", "width": "outputs"}]


def net(**changes: Any) -> prograd.Network:
    return networks.build(networks.check(BASE | changes)).net


@pytest.mark.parametrize(
    ("network", "depth", "sizes"),
    [
        ({"name": "mlp", "final": "softmax"}, 2, (64, 16, 16, 10, 10)),
        ({"name": "residual", "final": None}, 2, (64, 16, 16, 16, 10)),
        ({"name": "hourglass", "bottleneck": 1, "final": None}, 4, (64, 16, 16, 1, 1, 16, 16, 10)),
        ({"name": "hourglass", "bottleneck": 4, "final": None}, 6, (64, 16, 16, 8, 8, 4, 4, 8, 8, 16, 16, 10)),
        ({"name": "hourglass", "bottleneck": 4, "final": None}, 5, (64, 16, 16, 4, 4, 4, 4, 16, 16, 10)),
        ({"name": "hourglass", "bottleneck": 4, "final": None}, 3, (64, 4, 4, 4, 4, 10)),
        ({"name": "hourglass", "bottleneck": 4, "final": None}, 2, (64, 16, 16, 10)),
        ({"name": "hourglass", "bottleneck": 4, "final": None}, 1, (64, 10)),
        (CONV, 1, (64, 256, 256, 64, 16, 16, 10)),
        (CONV, 3, (64, 256, 256, 64, 64, 64, 16, 16, 16, 16, 16, 10)),
        (CONV | {"pool": 1}, 1, (64, 256, 256, 16, 16, 10)),
        ({"name": "custom", "layers": OURS}, 1, (64, 64, 64, 10)),
    ],
)
def test_each_name_builds_its_layers_and_modes_agree(
    network: dict[str, Any], depth: int, sizes: tuple[int, ...]
) -> None:
    problem = networks.build(networks.check(BASE | {"network": network, "depth": depth}))
    assert problem.net.n == sizes
    forward, reverse = (problem.objective.gradient(problem.w, mode=mode) for mode in ("forward", "reverse"))
    np.testing.assert_allclose(forward, reverse, atol=1e-12)  # sums of at most a few hundred products of order 1


def test_the_image_of_a_custom_layer_comes_from_the_data() -> None:
    layers = [{"name": "conv2d", "image": "image", "channels": 2, "kernel": 3}, {"name": "affine", "width": "outputs"}]
    assert net(network={"name": "custom", "layers": layers}).n == (64, 72, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"network": {"name": "custom", "layers": []}},
            r"network\.layers: expected a list of layers, such as .*, got \[\]",
        ),
        (
            {"network": {"name": "custom", "layers": ["tahn"]}},
            r"network\.layers\[0\]\.name: expected one of .*affine.*, got tahn; did you mean tanh",
        ),
        ({"network": {"name": "custom", "layers": [3]}}, r"network\.layers\[0\]: expected a layer's name or .*, got 3"),
        ({"network": {"name": "custom", "layers": ["tanh", "affine"]}}, r"network\.layers\[1\]=affine: .*width"),
        ({"network": {"name": "custom", "layers": [{"name": "affine", "wdth": 3}]}}, r"layers\[0\]=affine: .*wdth"),
        (
            {"network": {"name": "mlp", "final": None, "layers": []}},
            r"network: expected the keys name, final, layer, got layers",
        ),
        ({"network": CONV | {"kernel": 2}}, r"network\.kernel: expected an odd number, .*, got 2"),
        (
            {"network": CONV | {"image": [1, 9, 9]}},
            r"network\.image: expected an image of the 64 features of the data set digits, got \[1, 9, 9\]",
        ),
        ({"network": CONV | {"image": [8, 8]}}, r"network\.image: expected \[channels, height, width\], got \[8, 8\]"),
        (
            {"network": CONV, "data": {"name": "iris"}},
            r"data\.name: expected a data set of images, got iris; network\.image=",
        ),
        (
            {"network": {"name": "hourglass", "bottleneck": 0, "final": None}, "depth": 4},
            r"network\.bottleneck: expected an integer of at least 1, got 0",
        ),
    ],
)
def test_a_network_that_can_not_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        networks.check(BASE | change)


def test_the_first_parameters_have_nothing_to_do_with_synthetic_samples() -> None:
    synthetic = {"name": "synthetic", "task": "regression", "samples": 16, "features": 16, "outputs": 2}
    problem = networks.build(networks.check(BASE | {"data": synthetic, "batch": None, "depth": 1}))
    W = problem.net.unpack(problem.w)[0]["W"]
    correlation = np.corrcoef(W.ravel(), problem.x[: len(W)].ravel())[0, 1]
    assert abs(correlation) < 0.7


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"} | settings
    return processes.run(["prograd-run", *arguments], folder, environment)


@pytest.mark.starts_processes
def test_a_list_of_layers_with_one_of_a_third_party_from_the_command_line(tmp_path: Path) -> None:
    Site(tmp_path).plugin(
        "outsider",
        "from prograd import Elementwise, hookimpl\n"
        "class Cube(Elementwise):\n"
        "    def phi(self, z): return z**3\n"
        "    def dphi(self, z, z_next): return 3 * z**2\n"
        "@hookimpl\n"
        "def prograd_layers(): return {'cube': Cube}\n",
    )
    site = {"PYTHONPATH": str(tmp_path)}
    quick = ("repeats=3", "sample_seconds=1e-4", "hydra.sweep.dir=s")

    layers = "network.layers=[{name: affine, width: 5}, cube, {name: affine, width: outputs}]"
    assert run(tmp_path, "-m", "network=custom", layers, *quick, **site).returncode == 0
    shown = run(tmp_path, "--help", **site)
    assert shown.returncode == 0

    (made,) = (tmp_path / "s").glob("*/record.json")
    assert read(made)["problem"]["layers"] == ["affine", "cube", "affine"]
    assert "cube" in shown.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"loss": {"name": "cross_entropy"}},
            r"loss=cross_entropy: expected outputs .*, got \[.*\]; network\.final=softmax makes probabilities",
        ),
        (
            {"data": {"name": "diabetes"}, "loss": {"name": "softmax_cross_entropy"}},
            r"softmax_cross_entropy: expected each label .*; targets are one-hot .*; loss=default takes one that fits",
        ),
        (
            {"network": {"name": "custom", "layers": [{"name": "affine", "width": 4}]}},
            r"network: expected 10 outputs, as many as the targets have, got 4; \{name: affine, width: outputs\}",
        ),
        ({"batch": 2000}, "batch: expected at most the 1797 samples of the data set digits, got 2000"),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_cure(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        net(**change)


@pytest.mark.starts_processes
def test_mnist_without_a_network_says_what_to_do(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    home = {"SCIKIT_LEARN_DATA": str(tmp_path / "home"), "https_proxy": nobody, "http_proxy": nobody, "no_proxy": ""}
    done = run(tmp_path, "data=mnist", "depth=1", **home)
    assert done.returncode == 2
    assert done.stderr.startswith("prograd-run: data=mnist: expected openml.org to answer, got URLError")
    assert (
        f"needs the network once, and is then kept in {tmp_path / 'home'}; offline, use data=digits, or" in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1
