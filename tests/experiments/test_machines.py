"""Which machine runs tapes: a key of timed jobs, a fact of every record, and never a recording inside a timing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd.tape import machine
from prograd.tape.machine import MACHINES, VARIABLE
from prograd_experiments import jobs, timed
from prograd_experiments.bracketing.experiment import Bracketing
from prograd_experiments.config import config_hash
from prograd_experiments.environment import environment as found_here
from prograd_experiments.errors import ConfigError
from prograd_experiments.gather import gather
from prograd_experiments.networks import Problem
from prograd_experiments.peers.remote import environment
from prograd_experiments.report.facts import surroundings
from prograd_experiments.speed_gap import groups
from prograd_experiments.speed_gap.experiment import SpeedGap
from tests.helpers.configs import CONFIG, peers_config
from tests.helpers.records import ENVIRONMENT, failed, lay_out, record

USABLE = [name for name in MACHINES if name != "c" or machine.available()]


def test_a_machine_that_is_not_chosen_leaves_the_hash_as_it_was():
    plain = SpeedGap().check(CONFIG)
    assert config_hash(SpeedGap().check({**CONFIG, "machine": None})) == config_hash(plain)
    assert config_hash(SpeedGap().check({**CONFIG, "machine": "off"})) != config_hash(plain)
    chosen = peers_config("reverse:2:3:2", machine="numpy")
    assert chosen["machine"] == "numpy"
    assert peers_config("reverse:2:3:2", machine=None) == peers_config("reverse:2:3:2")
    assert "machine" not in peers_config("reverse:2:3:2")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("C", "machine: expected null or one of c, numpy, off, got C"),
        (False, "machine: expected null or one of c, numpy, off, got false; in YAML, off without quotes is false"),
        (["c"], "machine: expected null or one of"),
    ],
)
def test_an_unknown_machine_is_refused_before_anything_runs(given: Any, says: str):
    with pytest.raises(ConfigError) as caught:
        SpeedGap().check({**CONFIG, "machine": given})
    assert str(caught.value).startswith(says)


@pytest.mark.usefixtures("no_git")
@pytest.mark.parametrize("name", USABLE)
def test_a_job_runs_on_the_machine_that_it_names(tmp_path: Path, name: str):
    made = jobs.run({**CONFIG, "machine": name}, tmp_path)
    assert made["status"] == "complete"
    assert made["environment"]["machine"] == name
    assert found_here()["machine"] == machine.current()


@pytest.mark.usefixtures("no_git")
def test_planned_jobs_are_planned_for_their_machine(tmp_path: Path):
    config = {**CONFIG, "experiment": {"name": "bracketing"}, "outputs": "jacobian", "wrt": "parameters"}
    made = jobs.run(Bracketing().check({**config, "machine": "off"}), tmp_path)
    assert made["status"] == "complete"
    assert made["environment"]["machine"] == made["plan"]["machine"] == "off"


def test_machines_that_vary_are_a_column_and_separate_pictures(tmp_path: Path):
    made = [record(2, width, 1e-3, 1e-4, machine=name) for name in MACHINES for width in (8, 16)]
    made.append(failed(2, 32, machine="c"))
    collected = gather(lay_out(tmp_path, made))
    assert collected.table.texts()[0][:3] == ["depth", "width", "machine"]
    settings = [group.setting for group in groups.groups(collected.rows)]
    words = [setting.rpartition(", ")[2] for setting in settings]
    assert words == ["replayed in C", "replayed by numpy", "interpreted"]
    headings = {picture.heading for picture in SpeedGap().pictures(collected.rows)}
    assert headings == set(settings)


def test_a_machine_that_nobody_chose_tells_no_points_apart(tmp_path: Path):
    made = record(2, 8, 1e-3, 1e-4)
    made["environment"] = {**ENVIRONMENT, "machine": "numpy"}
    collected = gather(lay_out(tmp_path, [made, failed(2, 16)]))
    assert "machine" not in collected.table.texts()[0]
    assert len(groups.groups(collected.rows)) == 1


def test_records_from_before_the_tapes_have_no_machine(tmp_path: Path):
    old, new = record(2, 8, 1e-3, 1e-4), record(2, 16, 1e-3, 1e-4)
    old["environment"] = {**ENVIRONMENT, "machine": "x86_64"}
    new["environment"] = {**ENVIRONMENT, "machine": "numpy"}
    collected = gather(lay_out(tmp_path, [old, new]))
    facts = {fact.name: fact.texts for fact in surroundings([collected.records])}
    assert facts["Machine of tapes"] == ["numpy"]


def test_the_page_names_another_blas_with_the_machine(tmp_path: Path):
    made = record(2, 8, 1e-3, 1e-4)
    made["environment"] = {**ENVIRONMENT, "machine": "c", "products": "mkl"}
    collected = gather(lay_out(tmp_path, [made]))
    facts = {fact.name: fact.texts for fact in surroundings([collected.records])}
    assert facts["Machine of tapes"] == ["c, mkl"]


def test_the_engine_of_the_peers_runs_on_the_machine_that_was_chosen():
    assert environment(1, "numpy")[VARIABLE] == "numpy"


@pytest.mark.starts_processes
@pytest.mark.usefixtures("no_git")
def test_the_table_of_the_peers_names_the_machine(tmp_path: Path):
    made = jobs.run(peers_config("reverse:2:3:2", machine="numpy", engines=["floor", "prograd"]), tmp_path)
    assert made["status"] == "complete"
    heading, line = gather(tmp_path).table.texts()
    assert line[heading.index("machine")] == "numpy"


class Counted(prograd.Elementwise):
    """A tanh that counts how often Python calls it."""

    calls = 0

    def phi(self, z: Any) -> Any:
        type(self).calls += 1
        return np.tanh(z)

    def dphi(self, z: Any, z_next: Any) -> Any:
        return 1 - z_next * z_next


@pytest.mark.usefixtures("no_git")
@pytest.mark.parametrize("name", [name for name in USABLE if name != "off"])
def test_nothing_but_replays_is_timed(name: str):
    config = {**CONFIG, "machine": name, "sample_seconds": 1e-5}
    net = prograd.Network([prograd.layer("affine", width=3), Counted(), prograd.layer("affine", width=2)], n_in=3)
    problem = Problem(net, prograd.loss("squared_error"), np.ones((2, 3)), np.ones((2, 2)), net.init(0))
    counts = []
    for repeats in (3, 9):
        f, before = problem.objective, Counted.calls
        calls = {mode: partial(f.gradient, problem.w, mode=mode) for mode in ("forward", "reverse")}
        with timed.conditions(config):
            results = timed.measured({**config, "repeats": repeats}, problem, calls)
        assert len(results["timings"]["reverse"]) == repeats
        counts.append(Counted.calls - before)
    assert counts[0] == counts[1]
