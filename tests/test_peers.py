"""prograd beside its peers: engines that fail in every way, and results that are known beforehand."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement

import prograd
from prograd_experiments import config as reading
from prograd_experiments import floor as theory
from prograd_experiments import records
from prograd_experiments.collect import collect
from prograd_experiments.errors import AgreementError, ConfigError
from prograd_experiments.peers import compare, figures, measure, pictures, rounds, summary
from prograd_experiments.peers.crew import Crew
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.engines import floor as engine
from prograd_experiments.peers.experiment import PEERS
from prograd_experiments.peers.given import TASKS
from prograd_experiments.peers.point import Point
from prograd_experiments.peers.remote import Lost, environment, resident_bytes
from prograd_experiments.problems import Mlp
from tests import processes

GIBIBYTE = 2**30
OWN = ("floor", "prograd", "numpy")

CONFIG: dict[str, Any] = {
    "experiment": {"name": "peers"},
    "point": None,
    "task": None,
    "depth": None,
    "width": None,
    "batch": None,
    "dtype": "float64",
    "seed": 0,
    "engines": list(OWN),
    "threads": 1,
    "repeats": 3,
    "sample_seconds": 1e-4,
    "rest_seconds": 1e-3,
    "engine_seconds": 1.0,
    "limit_seconds": 10.0,
    "prepare_seconds": 60.0,
    "memory_gib": 4.0,
}

BAD_ENGINES = """
import os, signal, sys, time
from prograd_experiments.peers.engines.numpy import Numpy, value_and_gradient

class Bad(Numpy):
    distributions = ()
    calls = 0
    def ways(self, task, given):
        def call():
            self.calls += 1
            return self.call(given)
        return {"": call}

class Hangs(Bad):
    def call(self, given):
        time.sleep(60)

class HangsLater(Bad):
    def call(self, given):
        if self.calls > 6:  # one that is compared, four for the calibration, then two for each sample
            time.sleep(60)
        return value_and_gradient(given)

class Exits(Bad):
    def call(self, given):
        print("the last words", file=sys.stderr, flush=True)
        os._exit(3)

class Killed(Bad):
    def call(self, given):
        os.kill(os.getpid(), signal.SIGKILL)

class Raises(Bad):
    def call(self, given):
        raise RuntimeError("no such thing")

class Refused(Bad):
    def call(self, given):
        raise MemoryError("9 GiB")

class Greedy(Bad):
    def call(self, given):
        kept = []
        while True:
            kept.append(b"x" * 2**26)
            time.sleep(0.01)

class Wrong(Bad):
    def call(self, given):
        value, gradient = value_and_gradient(given)
        gradient[0][1][0] *= 1 + 1e-9
        return value, gradient

class WrongValue(Bad):
    def call(self, given):
        value, gradient = value_and_gradient(given)
        return value + 1, gradient

class NotANumber(Bad):
    def call(self, given):
        value, gradient = value_and_gradient(given)
        gradient[0][0][:] = float("nan")
        return value, gradient

class TwoWays(Bad):
    def ways(self, task, given):
        return {"slow": lambda: time.sleep(60), "quick": lambda: value_and_gradient(given)}
"""


def config(point: str, **keys: Any) -> dict[str, Any]:
    return dict(measure.check(CONFIG | {"point": point} | keys))


def own(*names: str) -> dict[str, str]:
    return {name: ENGINES[name] for name in names}


@pytest.fixture(scope="module")
def crew():
    with Crew(own(*OWN), threads=1, max_bytes=4 * GIBIBYTE) as made:
        yield made


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that measures a point with numpy and one of the bad engines, and returns the crew and the results."""
    (tmp_path / "bad_engines.py").write_text(BAD_ENGINES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made: list[Crew] = []

    def run(name: str, *, max_bytes: int = 4 * GIBIBYTE, called: str = "autograd", **keys: Any):
        made.append(Crew({"numpy": ENGINES["numpy"], called: f"bad_engines:{name}"}, threads=1, max_bytes=max_bytes))
        asked = config("reverse:2:3:2", engines=[called, "numpy"], **keys)
        return made[0], measure.at_point(asked, made[0])

    yield run
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("reverse:4:64:32", Point("reverse", 4, 64, 32, "float64")),
        ("per_sample:2:16:1:float32", Point("per_sample", 2, 16, 1, "float32")),
    ],
)
def test_a_point_is_written_in_one_word_or_key_by_key(point: str, expected: Point) -> None:
    assert Point.of(CONFIG | {"point": point}) == expected
    checked = measure.check(CONFIG | {"point": point})
    assert checked == measure.check(CONFIG | expected.as_config())
    assert measure.check(checked) == checked
    assert "point" not in checked


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"point": "reverse:4:64"}, "task:depth:width:batch"),
        ({"point": "reverse:4:0:1"}, "task:depth:width:batch"),
        ({"point": "revers:4:64:1"}, "did you mean reverse"),
        ({"point": "reverse:4:64:1:float16"}, "float16 is not known"),
        ({"point": "reverse:4:64:1", "depth": 3}, "grid=product"),
        ({"point": None, "task": "reverse", "depth": 3}, "width=null"),
        ({"point": "reverse:4:64:1", "data": {"name": "iris"}}, "data="),
        ({"point": "reverse:4:64:1", "engines": ["jaxx"]}, "did you mean jax"),
        ({"point": "reverse:4:64:1", "limit_seconds": 0}, "limit_seconds=0"),
        ({"point": "reverse:4:64:1", "repeats": 2}, "at least 3"),
    ],
)
def test_what_can_not_be_measured_is_refused_beforehand(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measure.check(CONFIG | keys)


def test_the_reference_is_right() -> None:
    # Against prograd in its other mode and against differences: neither shares a line with what is by hand.
    point = Point("reverse", 3, 4, 5, "float64")
    given = point.given(seed=1)
    net, loss, x, y, w = Mlp(3, 4, 5, n_in=4, n_out=4, seed=1).parts()
    f = prograd.Objective(net, loss, x, y)
    by_hand = {task: compare.reference(task, given) for task in TASKS}

    assert by_hand["reverse"].value == pytest.approx(f(w), rel=1e-14)
    steps = 1e-6 * np.eye(net.size)
    differences = [(f(w + step) - f(w - step)) / 2e-6 for step in steps]
    assert by_hand["forward"].derivative == pytest.approx(np.array(differences), abs=1e-8)
    assert by_hand["reverse"].derivative == pytest.approx(f.gradient(w, mode="forward"), rel=1e-12)
    assert by_hand["jacobian"].derivative == pytest.approx(prograd.jacobian(net, w, x, mode="forward"), rel=1e-12)
    assert by_hand["per_sample"].derivative == pytest.approx(f.per_sample_gradients(w), rel=1e-12)


def test_the_floor_multiplies_layers_of_different_sizes() -> None:
    shapes = [(5, 7), (2, 5), (3, 2)]
    for a, b, out in theory.reverse(shapes, samples=4).args[0]:
        assert (a @ b).shape == out.shape
    pushed = [(len(J) * times, *W.shape) for times, J, W, _ in theory.forward(shapes, samples=4).args[0]]
    assert sum(rows * n_in * n_out for rows, n_in, n_out in pushed) == 4 * (5 * 8 * 10 + (5 * 8 + 2 * 6) * 6)
    theory.reverse(shapes, samples=4)()
    theory.forward(shapes, samples=4)()


def test_the_floor_has_the_products_that_theory_counts() -> None:
    depth, width, batch = 4, 6, 3
    given = Point("reverse", depth, width, batch, "float64").given(seed=0)

    def multiply_adds(factors) -> int:
        return sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in factors)

    shapes = [W.shape for W, _ in given.layers]
    (back_and_forth,) = theory.reverse(shapes, batch).args
    assert len(back_and_forth) == 3 * depth - 1
    assert multiply_adds(back_and_forth) == (3 * depth - 1) * batch * width**2
    assert all((a @ b).shape == out.shape for a, b, out in back_and_forth)
    shared, outer = engine._per_sample(Point("per_sample", depth, width, width, "float64").given(seed=0))
    assert (len(shared), len(outer)) == (2 * depth - 1, depth)
    # Σ n_{i+1} n_i (r_{i-1} + … + r_1), for each sample
    pushed = sum(width**2 * i * width * (width + 1) for i in range(depth))
    each_time = [factors for times, *factors in theory.forward(shapes, batch).args[0] for _ in range(times)]
    assert multiply_adds(each_time) == batch * pushed


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_task_is_compared_and_timed(crew: Crew, task: str, dtype: str) -> None:
    result = measure.at_point(config(f"{task}:3:4:2:{dtype}"), crew)

    outcomes = {name: found["outcome"] for name, found in result["outcomes"].items()}
    timed = {"prograd"} if task == "forward" else {"prograd", "numpy"}
    timed |= {f"prograd/{mode}" for mode in prograd.MODES} if task == "jacobian" else {"floor"}
    assert {name for name, outcome in outcomes.items() if outcome == "timed"} == timed
    assert {outcome for name, outcome in outcomes.items() if name not in timed} <= {"no such task"}
    assert set(result["samples"]) == timed
    assert all(len(samples) == 3 and min(samples) > 0 for samples in result["samples"].values())
    found = result["outcomes"]["prograd"]
    assert found["relative_difference"]["derivative"] <= found["tolerance"]
    assert result["ratios"]["prograd"]["prograd"]["median"] == 1
    assert result["engines"]["numpy"]["versions"] == {"numpy": np.__version__}


def test_an_engine_that_hangs_is_stopped_and_starts_afresh(bad) -> None:
    crew, result = bad("Hangs", limit_seconds=0.5)
    assert result["outcomes"]["autograd"] | {"note": ""} == compare.outcome("autograd", "", "too slow", "")
    assert result["outcomes"]["autograd"]["note"] == "> 0.5 s"
    assert set(result["samples"]) == {"numpy"}
    assert not crew._remotes["autograd"].alive
    assert crew.engine("autograd").alive


def test_an_engine_that_hangs_while_it_is_timed_loses_its_samples_alone(bad) -> None:
    _, result = bad("HangsLater", limit_seconds=0.5, sample_seconds=1e-9)
    assert result["outcomes"]["autograd"]["outcome"] == "too slow"
    assert set(result["samples"]) == {"numpy"}
    assert len(result["samples"]["numpy"]) == 3


def test_one_way_that_hangs_does_not_take_the_others_with_it(bad) -> None:
    _, result = bad("TwoWays", limit_seconds=0.5)
    assert result["outcomes"]["autograd/slow"]["outcome"] == "too slow"
    assert set(result["samples"]) == {"numpy", "autograd/quick"}


@pytest.mark.parametrize(
    ("engine", "outcome", "note"),
    [
        ("Exits", "died", "its process was ended with exit code 3: the last words"),
        ("Killed", "died", "its process was killed by SIGKILL (the system may be out of memory)"),
        ("Raises", "failed", "RuntimeError: no such thing"),
        ("Refused", "out of memory", "9 GiB"),
        ("Wrong", "wrong", "off in the derivative by "),
        ("WrongValue", "wrong", "off in the value by "),
        ("NotANumber", "wrong", "off in the derivative by nan"),
    ],
)
def test_what_goes_wrong_is_said_and_not_timed(bad, engine: str, outcome: str, note: str) -> None:
    _, result = bad(engine)
    found = result["outcomes"]["autograd"]
    assert found["outcome"] == outcome
    assert note in found["note"]
    assert set(result["samples"]) == {"numpy"}
    json.dumps(result, allow_nan=False)


def test_prograd_itself_is_refused_when_it_is_wrong(bad) -> None:
    with pytest.raises(AgreementError, match="no time is reported for a wrong result"):
        bad("Wrong", called="prograd")


@pytest.mark.skipif(not resident_bytes(os.getpid()), reason="the system does not say how much memory a process has")
def test_an_engine_that_takes_too_much_memory_is_stopped(bad) -> None:
    crew, result = bad("Greedy", max_bytes=GIBIBYTE // 2)
    assert result["outcomes"]["autograd"]["outcome"] == "out of memory"
    assert result["outcomes"]["autograd"]["note"] == "more than 0.5 GiB"
    assert not crew._remotes["autograd"].alive


def test_a_missing_engine_is_skipped_by_name_and_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Crew(own("numpy") | {"jax": "needy:Engine"}, threads=1, max_bytes=GIBIBYTE) as crew:
        result = measure.at_point(config("reverse:2:3:2", engines=["jax", "numpy"]), crew)
        with pytest.raises(Lost) as again:
            crew.engine("jax")
    found = result["outcomes"]["jax"]
    assert found["outcome"] == again.value.outcome == "not installed"
    assert found["note"] == "No module named 'a_package_that_nobody_has'; pip install 'prograd[peers]'"
    assert set(result["samples"]) == {"numpy"}


def test_a_point_that_fits_nowhere_starts_nothing() -> None:
    with Crew({}, threads=1, max_bytes=GIBIBYTE) as crew:
        result = measure.at_point(config("jacobian:8:256:32", memory_gib=1), crew)
    assert {found["outcome"] for found in result["outcomes"].values()} == {"memory"}
    assert result["problem"]["least_bytes"] > 32 * 256 * 8 * 256 * 257 * 8


def test_processes_end_with_their_crew() -> None:
    crew = Crew(own("numpy"), threads=1, max_bytes=GIBIBYTE)
    remote = crew.engine("numpy")
    assert remote._process.poll() is None
    crew.close()
    assert remote._process.poll() is not None


def test_every_library_gets_the_same_number_of_threads() -> None:
    settings = environment(3)
    named = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"}
    assert {settings[name] for name in named} == {"3"}
    assert "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=3" in settings["XLA_FLAGS"]
    assert "eigen=false" in environment(1)["XLA_FLAGS"]


def test_turns_alternate_and_who_has_used_up_its_time_sits_out() -> None:
    order: list[str] = []

    def sampler(name: str, seconds: float):
        return lambda calls: order.append(name) or seconds * calls

    made = rounds.take_turns(
        {"a": sampler("a", 0.01), "slow": sampler("slow", 5.0), "c": sampler("c", 0.01)},
        repeats=5, sample_seconds=0.01, rest_seconds=0, engine_seconds=12,
    )  # fmt: skip
    assert order[:12] == [*("a", "a", "slow", "slow", "c", "c"), *("a", "slow", "c"), *("c", "slow", "a")]
    assert {name: len(samples) for name, samples in made.samples.items()} == {"a": 5, "slow": 3, "c": 5}
    assert made.inner == {"a": 1, "slow": 1, "c": 1}


@pytest.mark.parametrize("engine", ["jax", "torch", "autograd"])
def test_peers_agree_where_they_are_installed(engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed; the extra peers has it")
    with Crew(own(engine), threads=1, max_bytes=4 * GIBIBYTE) as crew:
        timed = set()
        for task in TASKS:
            result = measure.at_point(config(f"{task}:2:3:1:float32", engines=[engine]), crew)
            outcomes = {(found["outcome"], found["note"]) for found in result["outcomes"].values()}
            assert outcomes <= {("timed", ""), ("no such task", f"{engine} has no {task}")}
            timed |= {task} if ("timed", "") in outcomes else set()
    assert timed == ({"reverse", "jacobian"} if engine == "autograd" else set(TASKS))


def made_up(point: str, times: dict[str, float], **outcomes: tuple[str, str]) -> dict[str, Any]:
    checked = config(point, engines=list(ENGINES))
    samples = {name: [time * f for f in (0.92, 1.0, 1.2)] for name, time in times.items()}
    found = {name: compare.outcome(*f"{name}/".split("/")[:2], "timed", "") for name in times}
    found |= {name: compare.outcome(name, "", *what) for name, what in outcomes.items()}
    return {
        "schema": records.SCHEMA,
        "experiment": "peers",
        "status": "complete",
        "config": checked,
        "config_hash": reading.config_hash(checked),
        "error": None,
        **measure.results(found, rounds.Rounds(samples, dict.fromkeys(samples, 1), {})),
    }


REVERSE = made_up(
    "reverse:4:64:1",
    {"floor": 1e-5, "prograd": 2e-5, "numpy": 3e-5, "jax": 5e-5},
    torch=("too slow", "> 20 s"),
    torch_compile=("died", "killed"),
    autograd=("not installed", "No module named 'autograd'"),
)
JACOBIAN = made_up(
    "jacobian:2:16:1",
    {"prograd": 2e-4, "prograd/reverse": 2e-4, "prograd/forward": 3e-4, "jax/jacrev": 5e-4, "jax/jacfwd": 4e-4},
    floor=("no such task", ""),
)


def lay_out(directory: Path, *made: dict[str, Any]) -> Path:
    for number, one in enumerate(made):
        (directory / f"job{number}").mkdir()
        records.write(directory / f"job{number}", one)
    return directory


def test_the_summary_has_times_ratios_and_who_was_best(tmp_path: Path) -> None:
    collected = collect(lay_out(tmp_path, JACOBIAN, REVERSE))
    with (tmp_path / "summary.csv").open(newline="") as file:
        reverse, jacobian = csv.DictReader(file)
    assert tuple(reverse)[: len(summary.COLUMNS)] == summary.COLUMNS
    assert float(reverse["prograd_to_floor"]) == pytest.approx(2)
    assert float(reverse["best_peer_to_prograd"]) == pytest.approx(1.5)
    assert (reverse["best_peer"], reverse["torch_outcome"], reverse["torch_s"]) == ("numpy", "too slow", "")
    assert (jacobian["best_peer"], jacobian["prograd_to_floor"]) == ("jax/jacfwd", "")
    assert float(jacobian["jax_s"]) == float(jacobian["jax_jacfwd_s"]) == 4e-4
    assert float(jacobian["prograd_forward_s"]) == 3e-4
    assert collected.whole
    assert {path.name for path in collected.files} == {"summary.csv", "peers.png", "report.html"}


def test_the_table_shows_times_and_why_there_are_none(tmp_path: Path) -> None:
    rows = collect(lay_out(tmp_path, REVERSE, JACOBIAN)).rows
    spaced = [[text.replace("\N{NO-BREAK SPACE}", " ") for text in line] for line in summary.table(rows).texts()]
    heading, reverse, jacobian = spaced
    assert heading == ["task", "point", "prograd / floor", "best peer / prograd", *ENGINES, "samples"]
    # The made-up samples rise and fall together, so that their ratios have no spread.
    assert reverse[:6] == ["reverse", "4:64:1", "2.00× ± 0.00", "1.50× ± 0.00", "10.0 µs ±7%", "20.0 µs ±7%"]
    assert reverse[8:] == ["> 20 s", "died", "not installed", "3"]
    assert jacobian[2:8] == ["–", "2.00× ± 0.00", "–", "200 µs ±7%", "–", "400 µs ±7%"]


def test_the_answer_has_the_ratios_with_both_times(tmp_path: Path) -> None:
    rows = collect(lay_out(tmp_path, REVERSE, JACOBIAN)).rows
    assert summary.answer(rows) == (
        "Gradient in reverse mode: prograd takes 2.00× the time of the bare products in the median, at most 2.00× at "
        "4:64:1 (20.0 µs against 10.0 µs); it is 1.50× as fast as the best peer in the median, at least 1.50× at "
        "4:64:1 (20.0 µs against 30.0 µs, numpy). Jacobian of the network: prograd is 2.00× as fast as the best peer "
        "in the median, at least 2.00× at 2:16:1 (200 µs against 400 µs, jax/jacfwd). Not installed: autograd (the "
        "extra peers has them)."
    )


def test_pictures_show_a_dot_for_each_time(tmp_path: Path) -> None:
    rows = collect(lay_out(tmp_path, REVERSE, JACOBIAN)).rows
    first, second = pictures.pictures(rows)
    (axes, _) = figures.poster(rows).axes
    assert {dot.get_label(): dot.get_offsets()[0][0] for dot in axes.collections} == pytest.approx(
        {series.name: series.points[0].x for series in first.series}
    )
    assert {series.name: series.points[0].x for series in first.series} == pytest.approx(
        {"floor": 1, "prograd": 2, "numpy": 3, "jax": 5}
    )
    (jax,) = (series.points[0] for series in first.series if series.name == "jax")
    assert jax.says == "4:64:1, jax: 5.00× the time of floor, middle half 5.00× to 5.00×; 50.0 µs, 3 samples"
    assert "over that of prograd" in second.alt
    assert set(figures.STYLES) == set(ENGINES)


def test_points_without_any_time_still_make_a_page(tmp_path: Path) -> None:
    empty = made_up("reverse:2:8:1", {}, prograd=("memory", "too large"))
    failed = {**REVERSE, "status": "failed", "error": {"type": "E", "message": "m", "traceback": "t"}}
    kept = {key: failed[key] for key in ("schema", "experiment", "status", "config", "config_hash", "error")}
    collected = collect(lay_out(tmp_path, empty, kept))
    assert summary.answer(collected.rows) == "1 of 2 points gave no time: see the table."
    (chart,) = pictures.pictures(collected.rows)
    assert [point.says for series in chart.series for point in series.points] == ["4:64:1: failed, E: m"]
    assert not collected.whole


def test_prograd_run_sweeps_the_points_and_leaves_the_results(tmp_path: Path) -> None:
    command = ["prograd-run", "experiment=peers", "hydra.run.dir=results"]
    quick = ["engines=[floor,prograd,numpy]", "threads=1", "repeats=3", "sample_seconds=1e-4", "rest_seconds=1e-3"]
    points = "point=reverse:2:4:3,forward:2:4:1:float32"
    done = processes.run([*command, *quick, points], tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "[1/2] point=reverse:2:4:3: complete" in done.stdout
    made = [records.read(path) for path in (tmp_path / "results").glob("*/record.json")]
    assert {record["config"]["task"] for record in made} == {"reverse", "forward"}
    assert {path.name for path in (tmp_path / "results").iterdir() if path.is_file()} >= {
        "summary.csv", "peers.png", "report.html",
    }  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if " reverse " in line and "2:4:3" in line]
    assert line.count("µs") == 3


@pytest.mark.parametrize(
    ("overrides", "jobs"), [("grid=short", 32), ("grid=full", 4 * 64 * 2), ("grid=product depth=2,4", 2)]
)
def test_the_grids_name_points_that_can_be_measured(overrides: str, jobs: int, tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from prograd_experiments import sweep, choices, run
        def planned(config, loader, launcher, jobs, batch):
            points = jobs if len(jobs) > 99 else sweep.plan(config, loader, jobs)
            print(len(points))
        sweep.sweep = planned
        run.main()
        """
    )
    command = [sys.executable, "-c", code, "experiment=peers", *overrides.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == jobs


def test_the_extra_names_one_torch_and_everything_in_it_is_pinned() -> None:
    root = Path(__file__).parents[1]
    peers = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["peers"]
    pinned = dict(line.split("==") for line in (root / "constraints.txt").read_text().splitlines() if "==" in line)
    assert "torch==2.13.0" in peers
    assert all(requirement.specifier.contains(pinned[requirement.name]) for requirement in map(Requirement, peers))


def test_the_experiment_says_what_its_times_are_of() -> None:
    assert PEERS.timed == "one call"
