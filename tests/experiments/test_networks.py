"""Networks and data from a configuration: what each name builds, files, and what is refused before a job runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd_experiments import data, networks
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


TABLE = "height,width,kind\n1,2,cat\n2,3,dog\n3,5,cat\n"


def table(path: Path, text: str, **options: Any) -> data.Data:
    path.write_text(text)
    return data.load({"data": {"name": "csv", "path": str(path), "target": None, "task": None} | options})


def test_a_table_becomes_samples(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    animals = table(file, TABLE)
    assert (animals.task, animals.x.shape) == ("classification", (3, 2))
    np.testing.assert_array_equal(animals.y, [[1, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(animals.x.std(axis=0), 1)

    heights = table(file, "1.5,2\n2.5,3\n4.0,9\n", target=0)
    assert (heights.task, heights.x.shape, heights.y.shape) == ("regression", (3, 1), (3, 1))
    assert table(file, "1,2\n2,3\n", target="1", task="regression").y.shape == (2, 1)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TABLE, {"target": "knd"}, r"data\.target: expected one of height, width, kind, got knd; did you mean kind\?"),
        (TABLE + "1,x,cat\n", {}, r"row 5, column width: expected a finite number, got 'x'"),
        (TABLE + "1,nan,cat\n", {}, r"row 5, column width: expected a finite number"),
        (TABLE + "1,2\n", {}, r"row 5: expected 3 cells, as in the first row, got 2"),
        (TABLE + "1,2,NA\n", {}, r"row 5, column kind: expected a target, got 'NA'; leave out rows without one"),
        (TABLE + "\n\n1,2,\n", {}, r"row 7, column kind: expected a target, got ''"),
        ("1.5,2\n2.5,nan\n", {"task": "classification"}, r"row 2, column 1: expected a target, got 'nan'"),
        ("1.5,2\n?,2\n", {"target": 0}, r"row 2, column 0: expected a target, got '\?'"),
        ("a,b\n1,0.5\n2,-inf\n", {}, r"row 3, column b: expected a target, got '-inf'"),
        ("a,b\n1,0.5\n2, n/a \n", {"task": "regression"}, r"row 3, column b: expected a target, got 'n/a'"),
        ("a,b\n1,0.5\n2,Null\n", {}, r"row 3, column b: expected a target, got 'Null'"),
        ('a,"' + "b" * 200_000, {}, r"expected a table in UTF-8, got field larger than field limit"),
        ("a,b\n", {}, "expected at least a feature, a target and a sample"),
        (TABLE, {"task": "guess"}, r"data\.task: expected one of classification, regression, got guess"),
        (TABLE, {"task": "regression"}, r"row 2, column kind: expected a finite number, got 'cat'"),
    ],
)
def test_a_table_that_is_none_is_refused_at_its_place(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        table(tmp_path / "t.csv", text, **options)


def arrays(path: Path, **found: Any) -> data.Data:
    np.savez(path, **found)
    return data.load({"data": {"name": "npz", "path": str(path), "task": None}})


def test_arrays_become_samples(tmp_path: Path) -> None:
    images = np.arange(24.0).reshape(4, 2, 3)
    assert arrays(tmp_path / "a.npz", x=images, y=np.array([1, 5, 1, 5])).y.tolist() == [[1, 0], [0, 1]] * 2
    assert arrays(tmp_path / "b.npz", x=images, y=np.eye(4)).task == "regression"
    assert arrays(tmp_path / "d.npz", x=images, y=np.eye(4, dtype=int)).y.tolist() == np.eye(4).tolist()
    assert arrays(tmp_path / "e.npz", x=images, y=np.array([[1], [5], [1], [5]])).y.tolist() == [[1, 0], [0, 1]] * 2
    assert arrays(tmp_path / "c.npz", x=images, y=np.array(["a", "b", "a", "b"])).y.shape == (4, 2)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"x": np.eye(3)}, "expected arrays x and y, got x"),
        ({"x": np.eye(3), "y": np.arange(2)}, r"got float64 \(3, 3\) and int64 \(2,\)"),
        ({"x": np.eye(3), "y": np.array(1)}, r"got float64 \(3, 3\) and int64 \(\)"),
        (
            {"x": np.eye(2), "y": np.array([["a", "b"], ["b", "a"]])},
            r"expected numbers in y \(2, 2\) for data\.task=classification",
        ),
        (
            {"x": np.array([[1.0, np.nan]]), "y": np.array([1])},
            r"finite numbers in x, got \[ 1. nan\] in row 0",
        ),
        ({"x": np.eye(3), "y": np.array([1.0, np.nan, 2])}, "expected a target in y, got nan in row 1"),
        ({"x": np.eye(3), "y": np.array(["a", "b", " NA"])}, "expected a target in y, got ' NA' in row 2"),
        ({"x": np.eye(2), "y": np.array([b"", b"b"])}, r"expected a target in y, got b'' in row 0"),
        ({"x": np.eye(2), "y": np.array(["2020-01-01", "NaT"], "datetime64[D]")}, "a target in y, got 'NaT' in row 1"),
        ({"x": np.eye(2), "y": np.array([[0, 1], [0, 0]])}, r"expected a one-hot vector in y, got \[0 0\] in row 1"),
        ({"x": np.array([[None]]), "y": np.array([1])}, "without objects"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, found: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arrays(tmp_path / "a.npz", **found)


def test_a_file_that_is_not_there_or_no_npz(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.path: expected a readable file, got nowhere\.npz; No such file"):
        data.load({"data": {"name": "npz", "path": "nowhere.npz", "task": None}})
    (tmp_path / "t.npz").write_text("no zip")
    with pytest.raises(ConfigError, match="expected arrays in NPZ format"):
        data.load({"data": {"name": "npz", "path": str(tmp_path / "t.npz"), "task": None}})


@pytest.mark.parametrize("at", [6, 8, 10, 16])  # the version of zip, flags, the compression, the sum of the bytes
def test_an_npz_with_a_flipped_byte_is_refused_whatever_it_hits(tmp_path: Path, at: int) -> None:
    np.savez_compressed(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.arange(3))
    content = bytearray((tmp_path / "t.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + at] ^= 0xFF
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"t\.npz: expected arrays"):
        data.load({"data": {"name": "npz", "path": str(tmp_path / "t.npz"), "task": None}})


def test_other_content_is_another_configuration(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    config = BASE | {"data": {"name": "csv", "path": str(file), "target": None, "task": None}}
    file.write_text(TABLE)
    first = networks.check(config)
    assert networks.check(first) == first
    file.write_text(TABLE + "7,7,dog\n")
    assert networks.check(config)["data"]["sha256"] != first["data"]["sha256"]


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
