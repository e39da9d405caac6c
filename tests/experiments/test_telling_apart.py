"""What tells points apart is found in their configurations; a key that changes nothing makes no point."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments import distinct, networks
from prograd_experiments.gather import Gathered, gather
from prograd_experiments.speed_gap import groups, pictures
from tests.helpers import processes
from tests.helpers.configs import CONFIG
from tests.helpers.records import lay_out, record

QUICK = ("data=iris", "repeats=3", "sample_seconds=1e-4")


def mlp(**layer: Any) -> dict[str, Any]:
    return {"name": "mlp", "final": None, "layer": {"name": "low_rank", **layer}}


def named(*configs: dict[str, Any], known: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    return {key.name: list(key.values) for key in distinct.keys(configs, known)}


def gathered(directory: Path, *made: dict[str, Any]) -> Gathered:
    return gather(lay_out(directory, list(made)))


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([{"a": 1, "b": 2}, {"a": 1, "b": 3}], {"b": [2, 3]}),
        ([{"a": {"rate": 0.1}}, {"a": {"rate": 0.05}}], {"rate": [0.1, 0.05]}),
        (
            [{"a": {"size": 1}, "b": {"size": 1}}, {"a": {"size": 2}, "b": {"size": 1}}, {"a": {"size": 1}}],
            {"a size": [1, 2, 1], "b size": [1, 1, None]},  # nothing else tells the first and the last apart
        ),
        ([{"a": {"size": 1}, "b": {"size": 1}}, {"a": {"size": 2}}], {"size": [1, 2]}),
        ([{"final": None}, {"final": "softmax"}], {"final": ["null", "softmax"]}),
        ([{"layer": "tanh"}, {"layer": {"name": "elu", "alpha": 2}}], {"layer": ["tanh", "elu"]}),
        ([{"flag": True}, {"flag": 1}], {"flag": ["true", 1]}),
        ([{"n": 4, "features": 4}, {"n": 8, "features": 8}], {"n": [4, 8]}),  # the second says what the first says
        (
            [{"layers": [{"name": "affine", "width": width}, "tanh", "softmax"]} for width in (8, 16)],
            {"layers": ["affine(width=8)", "affine(width=16)"]},
        ),
        ([{"modes": ["forward", "reverse"]}, {"modes": ["reverse"]}], {"modes": ["forward, reverse", "reverse"]}),
        ([{"path": "a", "sha256": "0" * 64}, {"path": "b", "sha256": "1" * 64}], {"path": ["a", "b"]}),
        ([{"path": "a", "sha256": "0" * 64}, {"path": "a", "sha256": "1" * 64}], {"sha256": ["00000000", "11111111"]}),
    ],
)
def test_keys_that_vary_have_the_shortest_names_and_values(
    configs: list[dict[str, Any]], expected: dict[str, list[Any]]
) -> None:
    assert named(*configs) == expected


def test_fractions_are_as_short_as_they_can_be_told_apart() -> None:
    def texts(*rates: float) -> list[str]:
        (key,) = distinct.keys([{"rate": rate} for rate in rates])
        return list(key.texts.values())

    assert set(texts(0.5, 0.05)) == {"0.5", "0.05"}
    assert set(texts(0.38989065, 0.0291487)) == {"0.39", "0.0291"}
    assert set(texts(0.123456, 0.123457)) == {"0.123456", "0.123457"}


def test_keys_that_are_told_already_are_left_out() -> None:
    one, other = ({"network": {"name": "mlp", "rank": rank}, "depth": rank, "width": 3} for rank in (1, 2))
    assert named(one, other, known=("depth",)) == {}  # the rank says what the depth says
    assert named(one, other | {"depth": 1}, known=("network.*",)) == {}


def test_an_option_that_varies_is_a_column_a_label_and_an_axis_and_sorts_as_a_number(tmp_path: Path) -> None:
    ranks = (16, 1, 2)
    made = [record(2, 8, 1e-3 * rank, 1e-4, network=mlp(rank=rank), repeats=5) for rank in ranks]
    found = gathered(tmp_path, *made)
    assert found.table.texts()[0][:3] == ["depth", "width", "rank"]
    assert [line[2] for line in found.table.texts()[1:]] == ["1", "2", "16"]
    (group,) = groups.groups(found.rows)
    assert group.varying == ["network.layer.rank"]
    assert group.setting.startswith("digits, mlp of low_rank, one sample, ")
    times, gap = pictures.pictures(found.rows)
    assert (times.title, gap.title) == ("Time of one gradient against rank", "Gap against rank")
    assert times.series[0].data[-1].tooltip.startswith("depth 2, width 8, rank 16, forward: ")


def test_two_numbers_that_vary_make_a_map_and_a_name_makes_groups(tmp_path: Path) -> None:
    made = [
        record(depth, 8, 1e-3 * rank * depth, 1e-4, network=mlp(rank=rank), activation=activation)
        for depth in (2, 4)
        for rank in (1, 2)
        for activation in ("tanh", "elu")
    ]
    found = gathered(tmp_path, *made)
    assert found.table.texts()[0][:4] == ["depth", "width", "activation", "rank"]
    drawn = pictures.pictures(found.rows)
    assert [picture.title.partition(":")[0] for picture in drawn[:5]] == [
        "Time of one gradient against depth",
        "Time of one gradient against rank",
        "Measured gap",
        "Gap in predicted time",
        "Gap in multiply-adds",
    ]
    assert len({picture.heading for picture in drawn}) == 2


def test_a_key_that_does_not_vary_is_no_column(tmp_path: Path) -> None:
    made = [record(2, width, 1e-3, 1e-4, network=mlp(rank=2), repeats=5) for width in (8, 16)]
    assert gathered(tmp_path, *made).table.texts()[0][:3] == ["depth", "width", "forward"]


@pytest.mark.parametrize(
    ("network", "depth", "unread"),
    [
        ({"name": "mlp", "final": None}, 1, {"width", "activation"}),
        ({"name": "mlp", "final": None}, 2, set()),
        ({"name": "mlp", "final": None, "layer": "affine"}, 1, set()),
        ({"name": "hourglass", "bottleneck": 2, "final": None}, 1, {"width", "activation", "network.bottleneck"}),
        ({"name": "hourglass", "bottleneck": 2, "final": None}, 2, {"network.bottleneck"}),
        ({"name": "hourglass", "bottleneck": 2, "final": None}, 3, {"width"}),
        ({"name": "hourglass", "bottleneck": 2, "final": None}, 4, set()),
        ({"name": "residual", "final": None}, 1, set()),
        ({"name": "custom", "layers": [{"name": "affine", "width": "outputs"}]}, 2, {"depth", "width", "activation"}),
    ],
)
def test_keys_that_the_network_does_not_depend_on_are_found_and_left_out(
    network: dict[str, Any], depth: int, unread: set[str]
) -> None:
    config = CONFIG | {"network": network, "depth": depth}
    assert set(networks.without_effect(config)) == unread
    checked = networks.check(config)
    flat = {key for key, _ in distinct.flat(checked)}
    assert not unread & flat
    assert networks.check(checked) == checked
    whole = config | {"loss": checked["loss"]}
    assert networks.build(checked).net.n == networks.build(whole).net.n


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["prograd-run", *words], folder, os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"})


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("network=custom width=4", "width: expected no value, since nothing depends on it with network=custom, got 4"),
        ("depth=1 width=4", "width: expected no value, since nothing depends on it with network=mlp depth=1, got 4"),
        ("-m depth=1 width=4,8", "width: expected no value, since nothing depends on it with network=mlp depth=1"),
        ("-m network=hourglass depth=2 network.bottleneck=2,4", "network.bottleneck: expected no value, since"),
        ("experiment=bracketing loss=huber", "loss: expected no value, since nothing depends on it with outputs=jac"),
        ("experiment=auto point=mlp:8:2:8:3 depth=2", "depth: expected no value, since nothing depends on it with po"),
    ],
)
def test_a_key_that_changes_nothing_is_refused(tmp_path: Path, words: str, message: str) -> None:
    done = run(tmp_path, *words.split(), "hydra.sweep.dir=s", "hydra.run.dir=r")
    assert done.returncode == 2
    assert done.stderr.startswith(f"prograd-run: {message}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.starts_processes
def test_a_key_that_another_takes_its_value_from_is_not_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "experiment=bracketing", "network=custom", "width=4", "repeats=3", "sample_seconds=1e-4")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ("network=custom", "1 point: 1 new; 11 the same as another, left out"),
        ("depth=1,2 width=4,8", "3 points: 3 new; 1 the same as another, left out"),
    ],
)
def test_equal_networks_are_one_point(tmp_path: Path, words: str, counted: str) -> None:
    done = run(tmp_path, "-m", *words.split(), *QUICK, "hydra.sweep.dir=s")
    assert (done.returncode, done.stderr) == (0, "")
    assert counted in done.stdout
    assert len(list(tmp_path.glob("s/*/record.json"))) == int(counted[0])


@pytest.mark.starts_processes
def test_options_of_the_optimizer_and_the_split_are_columns_of_the_table(tmp_path: Path) -> None:
    words = ("experiment=train", "data=iris", "epochs=2", "optimizer.rate=0.5,0.05", "test_fraction=0.25,0.5")
    done = run(tmp_path, "-m", *words, "hydra.sweep.dir=s")
    assert (done.returncode, done.stderr) == (0, "")
    found = gather(tmp_path / "s")
    assert found.table.texts()[0][:4] == ["data", "optimizer", "rate", "test_fraction"]
    assert [line[2:4] for line in found.table.texts()[1:]] == [
        ["0.05", "0.25"],
        ["0.05", "0.5"],
        ["0.5", "0.25"],
        ["0.5", "0.5"],
    ]
