"""prograd beside its peers: engines in processes of their own, that agree, take turns, and fail in every way."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prograd
from prograd_experiments import records
from prograd_experiments.errors import AgreementError
from prograd_experiments.peers import compare, measure
from prograd_experiments.peers.crew import Crew
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.engines.base import TASKS
from prograd_experiments.peers.remote import Lost, environment, resident_bytes
from tests.helpers import processes
from tests.helpers.configs import PEERS_CONFIG, peers_config

GIBIBYTE = 2**30

BAD_ENGINES = """
import os, signal, sys, time
from pathlib import Path
from prograd_experiments.peers.engines.numpy import Numpy, value_and_gradient

class Bad(Numpy):
    distributions = ()
    calls = 0
    Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
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

class Records(Bad):
    warm_up_calls = 2
    def call(self, given):
        value, gradient = value_and_gradient(given)
        return value + (self.calls < 3), gradient

class TwoWays(Bad):
    def ways(self, task, given):
        return {"slow": lambda: time.sleep(60), "quick": lambda: value_and_gradient(given)}
"""


def own(*names: str) -> dict[str, str]:
    return {name: ENGINES[name] for name in names}


@pytest.fixture(scope="module")
def crew():
    with Crew(own(*PEERS_CONFIG["engines"]), threads=1, max_bytes=4 * GIBIBYTE) as made:
        yield made


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the bad engines, which a process of an engine can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "bad_engines.py"
    path.write_text(BAD_ENGINES)
    return path


@pytest.fixture
def bad(engines: Path):
    """A function that measures a point with numpy and one of the bad engines, and returns the crew and the results."""
    made: list[Crew] = []

    def run(name: str, *, max_bytes: int = 4 * GIBIBYTE, called: str = "autograd", **keys: Any):
        found = {"numpy": ENGINES["numpy"], called: f"{engines.stem}:{name}"}
        made.append(Crew(found, threads=1, max_bytes=max_bytes))
        asked = peers_config("reverse:2:3:2", engines=[called, "numpy"], **keys)
        return made[0], measure.measure(asked, made[0])

    yield run
    for one in made:
        one.close()


def runs(engines: Path) -> bool:
    """Whether the process of the bad engine that started last still runs."""
    try:
        os.kill(int(engines.with_suffix(".pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.starts_processes
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_task_is_compared_and_timed(crew: Crew, task: str, dtype: str) -> None:
    result = measure.measure(peers_config(f"{task}:3:4:2:{dtype}"), crew)

    outcomes = {name: found["outcome"] for name, found in result["outcomes"].items()}
    timed = {"prograd"} if task == "forward" else {"prograd", "numpy"}
    timed |= {f"prograd/{mode}" for mode in prograd.MODES} if task == "jacobian" else {"floor"}
    assert {name for name, outcome in outcomes.items() if outcome == "timed"} == timed
    assert {outcome for name, outcome in outcomes.items() if name not in timed} <= {"no such task"}
    assert set(result["timings"]) == timed
    assert all(len(samples) == 3 and min(samples) > 0 for samples in result["timings"].values())
    found = result["outcomes"]["prograd"]
    assert found["relative_difference"]["derivative"] <= found["tolerance"]
    assert result["ratios"]["prograd"]["prograd"]["median"] == 1
    assert result["engines"]["numpy"]["versions"] == {"numpy": np.__version__}


@pytest.mark.starts_processes
def test_an_engine_that_hangs_is_stopped_and_starts_afresh(bad, engines: Path) -> None:
    crew, result = bad("Hangs", limit_seconds=0.5)
    assert result["outcomes"]["autograd"] | {"note": ""} == compare.outcome("autograd", "", "too slow", "")
    assert result["outcomes"]["autograd"]["note"] == "> 0.5 s"
    assert set(result["timings"]) == {"numpy"}
    assert not runs(engines)
    assert crew.engine("autograd").alive
    assert runs(engines)


@pytest.mark.starts_processes
def test_an_engine_that_hangs_while_it_is_timed_loses_its_samples_alone(bad) -> None:
    _, result = bad("HangsLater", limit_seconds=0.5, sample_seconds=1e-9)
    assert result["outcomes"]["autograd"]["outcome"] == "too slow"
    assert set(result["timings"]) == {"numpy"}
    assert len(result["timings"]["numpy"]) == 3


@pytest.mark.starts_processes
def test_one_way_that_hangs_does_not_take_the_others_with_it(bad) -> None:
    _, result = bad("TwoWays", limit_seconds=0.5)
    assert result["outcomes"]["autograd/slow"]["outcome"] == "too slow"
    assert set(result["timings"]) == {"numpy", "autograd/quick"}


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("engine", "outcome", "note"),
    [
        ("Exits", "died", "its process was ended with exit code 3: the last words"),
        ("Killed", "died", "its process was killed by SIGKILL (the system may be out of memory)"),
        ("Raises", "failed", "RuntimeError: no such thing"),
        ("Refused", "out of memory", "9 GiB"),
        ("Wrong", "wrong", "got the derivative by "),
        ("WrongValue", "wrong", "got the value by "),
        ("NotANumber", "wrong", "got the derivative by nan"),
    ],
)
def test_what_goes_wrong_is_said_and_not_timed(bad, engine: str, outcome: str, note: str) -> None:
    _, result = bad(engine)
    found = result["outcomes"]["autograd"]
    assert found["outcome"] == outcome
    assert note in found["note"]
    assert set(result["timings"]) == {"numpy"}
    json.dumps(result, allow_nan=False)


@pytest.mark.starts_processes
def test_prograd_itself_is_refused_when_it_is_wrong(bad) -> None:
    with pytest.raises(AgreementError, match="no time is reported for a wrong result"):
        bad("Wrong", called="prograd")


@pytest.mark.starts_processes
@pytest.mark.skipif(not resident_bytes(os.getpid()), reason="the system does not say how much memory a process has")
def test_an_engine_that_takes_too_much_memory_is_stopped(bad, engines: Path) -> None:
    _, result = bad("Greedy", max_bytes=GIBIBYTE // 2)
    assert result["outcomes"]["autograd"]["outcome"] == "out of memory"
    assert result["outcomes"]["autograd"]["note"] == "more than 0.5 GiB"
    assert not runs(engines)


@pytest.mark.starts_processes
def test_a_missing_engine_is_skipped_by_name_and_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Crew(own("numpy") | {"jax": "needy:Engine"}, threads=1, max_bytes=GIBIBYTE) as crew:
        result = measure.measure(peers_config("reverse:2:3:2", engines=["jax", "numpy"]), crew)
        with pytest.raises(Lost) as again:
            crew.engine("jax")
    found = result["outcomes"]["jax"]
    assert found["outcome"] == again.value.outcome == "not installed"
    assert found["note"] == "No module named 'a_package_that_nobody_has'; pip install 'prograd[peers]'"
    assert set(result["timings"]) == {"numpy"}


@pytest.mark.usefixtures("no_git")
def test_a_point_that_fits_nowhere_starts_nothing() -> None:
    with Crew({}, threads=1, max_bytes=GIBIBYTE) as crew:
        result = measure.measure(peers_config("jacobian:8:256:32", memory_gib=1), crew)
    assert {found["outcome"] for found in result["outcomes"].values()} == {"memory"}
    assert result["problem"]["least_bytes"] > 32 * 256 * 8 * 256 * 257 * 8


@pytest.mark.starts_processes
def test_processes_end_with_their_crew(engines: Path) -> None:
    crew = Crew({"numpy": "bad_engines:TwoWays"}, threads=1, max_bytes=GIBIBYTE)
    crew.engine("numpy")
    assert runs(engines)
    crew.close()
    assert not runs(engines)


def test_every_library_gets_the_same_number_of_threads() -> None:
    settings = environment(3)
    named = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"}
    assert {settings[name] for name in named} == {"3"}
    assert "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=3" in settings["XLA_FLAGS"]
    assert "eigen=false" in environment(1)["XLA_FLAGS"]


@pytest.mark.starts_processes
def test_calls_that_do_other_work_than_timed_ones_are_not_compared(bad) -> None:
    _, results = bad("Records")
    assert results["outcomes"]["autograd"]["outcome"] == compare.TIMED


def test_turns_alternate_and_who_has_used_up_its_time_sits_out() -> None:
    order: list[str] = []

    def sampler(name: str, seconds: float):
        return lambda calls: order.append(name) or seconds * calls

    made = measure.take_turns(
        {"a": sampler("a", 0.01), "slow": sampler("slow", 5.0), "c": sampler("c", 0.01)},
        repeats=5, least_seconds=0.01, rest_seconds=0, engine_seconds=12,
    )  # fmt: skip
    assert order[:12] == [*("a", "a", "slow", "slow", "c", "c"), *("a", "slow", "c"), *("c", "slow", "a")]
    assert {name: len(samples) for name, samples in made.timings.items()} == {"a": 5, "slow": 3, "c": 5}
    assert made.inner == {"a": 1, "slow": 1, "c": 1}


@pytest.mark.starts_processes
@pytest.mark.parametrize("engine", ["jax", "torch", "autograd"])
def test_peers_agree_where_they_are_installed(engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed; the extra peers has it")
    with Crew(own(engine), threads=1, max_bytes=4 * GIBIBYTE) as crew:
        timed = set()
        for task in TASKS:
            result = measure.measure(peers_config(f"{task}:2:3:1:float32", engines=[engine]), crew)
            outcomes = {(found["outcome"], found["note"]) for found in result["outcomes"].values()}
            assert outcomes <= {("timed", ""), ("no such task", f"{engine} has no {task}")}
            timed |= {task} if ("timed", "") in outcomes else set()
    assert timed == ({"reverse", "jacobian", "last"} if engine == "autograd" else set(TASKS))


@pytest.mark.starts_processes
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
