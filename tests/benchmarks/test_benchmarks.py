"""Every benchmark runs once at its smallest size, and asv understands what it returns."""

from __future__ import annotations

import gc
import itertools
import json
import math
import os
import re
import subprocess
import sys
import tomllib
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asv.config
import numpy as np
import pytest
from asv._stats import is_different
from asv.results import Results
from asv.util import load_json
from asv_runner import discovery
from asv_runner.benchmarks._base import Benchmark
from asv_runner.statistics import compute_stats
from omegaconf import OmegaConf

import prograd
from benchmarks import start
from prograd_benchmarks import control, counts, timing
from prograd_benchmarks.problems import BATCHES, DEPTHS, MODES, WIDTHS, Mlp

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BENCHMARK_DIR = str(ROOT / "benchmarks")
SUITE = {benchmark.name: benchmark for benchmark in discovery.disc_benchmarks("benchmarks")}


def sizes_of(benchmark: Benchmark) -> list[list[Any]]:
    """The values that each parameter of a benchmark takes."""
    return list(benchmark._params)  # noqa: SLF001  (asv has no public name for them)


def smallest(benchmark: Benchmark) -> Iterator[int]:
    """The indices of the combinations with the smallest numbers; parameters that are not numbers take every value."""
    allowed = [{min(values)} if isinstance(values[0], int) else set(values) for values in sizes_of(benchmark)]
    for index, params in enumerate(itertools.product(*sizes_of(benchmark))):
        if all(param in values for param, values in zip(params, allowed, strict=True)):
            yield index


def cases() -> Iterator[Any]:
    """Each benchmark at its smallest sizes; those in `start` start interpreters."""
    for name, benchmark in SUITE.items():
        marks = [pytest.mark.starts_processes] if name.startswith("start.") else []
        for index in smallest(benchmark):
            yield pytest.param(name, index, marks=marks)


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize(("name", "index"), list(cases()))
def test_runs_once(name: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMINGS", 3)
    monkeypatch.setattr(start, "STARTS", 1)
    benchmark = discovery.get_benchmark_from_name(BENCHMARK_DIR, f"{name}-{index}")
    assert benchmark.check(BENCHMARK_DIR), "asv finds fault with the arguments of setup or of the benchmark"
    benchmark.set_param_idx(index)

    assert not benchmark.do_setup(), "setup skips the smallest parameters"
    result = benchmark.do_run()
    benchmark.do_teardown()

    values = result["samples"] if isinstance(result, dict) else [result]
    assert values
    assert all(math.isfinite(value) and value > 0 for value in values)


def test_time_ratio_and_counts_are_covered() -> None:
    units = {benchmark.unit for benchmark in SUITE.values()}
    counted = {"instructions", "scratch-bytes", "multiply-adds", "calls", "bytes", "modules"}
    assert units == {"seconds", "ratio", *counted}


def test_there_is_a_control_of_each_unit_that_has_noise() -> None:
    assert {SUITE[name].unit for name in SUITE if name.startswith("control.")} == {"seconds", "ratio"}


@pytest.mark.starts_processes
def test_what_measures_is_the_checkouts() -> None:
    # asv installs another revision, whose own clock and problems must not be found.
    code = "import benchmarks, prograd_benchmarks as b; print(b.__file__)"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    assert Path(done.stdout.strip()).parents[1] == ROOT / "experiments"


def test_sizes_come_from_the_list_shared_with_the_experiments() -> None:
    shared = {"depth": DEPTHS, "width": WIDTHS, "batch": BATCHES, "mode": MODES}
    for name, benchmark in SUITE.items():
        sizes = dict(zip(benchmark.param_names, sizes_of(benchmark), strict=True))
        for parameter in shared.keys() & sizes.keys():
            assert tuple(sizes[parameter]) == shared[parameter], name


def test_sizes_are_those_of_the_default_speed_gap() -> None:
    speed_gap = ROOT / "experiments" / "prograd_experiments" / "conf" / "experiment" / "speed_gap.yaml"
    sweep = OmegaConf.load(speed_gap).hydra.sweeper.params
    assert (sweep.depth, sweep.width) == (",".join(map(str, DEPTHS)), ",".join(map(str, WIDTHS)))


def test_modes_are_those_of_the_engine() -> None:
    assert MODES == prograd.MODES


class TestMlp:
    def test_depth_counts_affine_layers(self) -> None:
        layers = Mlp(3, 8, activation="relu").layers()
        assert [layer["name"] for layer in layers] == ["affine", "relu", "affine", "relu", "affine"]
        assert [layer["width"] for layer in layers[::2]] == [8, 8, 10]

    def test_parts_fit_and_come_from_the_seed_alone(self) -> None:
        one, two, other = (Mlp(2, 8, batch=3, seed=seed).parts() for seed in (1, 1, 2))

        assert one.x.shape == (3, one.net.n[0])
        assert one.y.shape == (3, one.net.n[-1])
        assert one.w.shape == (one.net.size,)
        assert all(np.array_equal(a, b) for a, b in zip(one[2:], two[2:], strict=True))
        assert not np.array_equal(one.w, other.w)

    def test_float32_is_kept(self) -> None:
        f, w = Mlp(2, 8).objective(np.float32)
        assert f.gradient(w, mode="reverse").dtype == np.float32


class TestCounts:
    def test_peak_counts_what_the_call_holds_and_not_what_was_there(self) -> None:
        held = np.ones(10_000_000)
        peak = counts.peak_bytes(lambda: np.ones(1_000_000).sum())
        assert 8_000_000 <= peak < 8_100_000 < held.nbytes
        assert not tracemalloc.is_tracing()

    def test_calls_of_python_and_of_c_count_and_the_call_itself(self) -> None:
        def call() -> None:
            one()
            one()

        def one() -> None:
            len("")

        assert counts.python_calls(lambda: None) == 1
        assert counts.python_calls(call) == 1 + 2 * 2
        assert sys.getprofile() is None

    def test_multiply_adds_are_those_of_the_products(self) -> None:
        W = prograd.operators.Dense(np.ones((3, 4)))
        assert counts.multiply_adds(lambda: W.jvp(np.ones((5, 4)))) == 5 * 3 * 4

    @pytest.mark.slow
    @pytest.mark.parametrize("mode", ["reverse", "factored"])
    @pytest.mark.parametrize("count", [counts.python_calls, counts.peak_bytes, counts.multiply_adds])
    def test_counts_of_a_gradient_repeat_to_the_last_digit(self, count: Any, mode: str) -> None:
        f, w = Mlp(4, 16, 32).objective()
        with counts.interpreted():
            assert len({count(lambda: f.gradient(w, mode=mode)) for _ in range(3)}) == 1

    def test_interpreted_calls_are_counted_inside_only(self) -> None:
        f, w = Mlp(2, 8).objective()
        replayed = counts.python_calls(lambda: f.gradient(w))
        with counts.interpreted():
            assert counts.python_calls(lambda: f.gradient(w)) > 2 * replayed
        assert counts.python_calls(lambda: f.gradient(w)) == replayed

    def test_the_collector_is_as_it_was(self) -> None:
        counts.peak_bytes(lambda: None)
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0


class TestTimings:
    def test_a_ratio_is_of_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = {"numerator": [2.0, 9.0], "denominator": [1.0, 3.0]}
        monkeypatch.setattr(timing, "seconds", lambda _: taken)
        assert timing.ratio(lambda: None, lambda: None) == {"samples": [2.0, 3.0], "number": 1}

    def test_four_digits_are_kept(self) -> None:
        assert timing.statistics([0.123456, 98765.4]) == {"samples": [0.1235, 98770.0], "number": 1}

    def test_only_replays_are_timed(self) -> None:
        f, w = Mlp(2, 8).objective()
        tapes: list[int] = []

        def gradient() -> None:
            tapes.append(len(f._tapes))  # noqa: SLF001
            f.gradient(w)

        timing.take_turns({"": gradient}, repeats=3, least_seconds=0.0, max_seconds=1e9)
        recorded = len(tapes) - timing.WARM_UP_CALLS
        assert tapes == [0] * timing.WARM_UP_CALLS + [1] * recorded

    def test_controls_call_no_code_of_prograds(self) -> None:
        files = set()
        calls = (control.python_loop(), control.product())
        sys.setprofile(lambda frame, *_: files.add(frame.f_code.co_filename))
        try:
            for call in calls:
                call()
        finally:
            sys.setprofile(None)
        assert files <= {control.__file__, __file__}


class TestAsv:
    """asv behaves as the suite expects."""

    @pytest.fixture
    def stats(self, tmp_path: Path) -> dict[str, Any]:
        """What asv keeps of the smallest gap after a run in the present environment."""
        env = os.environ | {"HOME": str(tmp_path)}
        git = ["git", "-C", str(tmp_path), "-c", "user.name=prograd", "-c", "user.email=prograd@localhost"]
        subprocess.run([*git, "init", "--quiet"], env=env, check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=x"], env=env, check=True)
        settings = load_json(str(ROOT / "asv.conf.json"), js_comments=True)
        elsewhere = {"repo": str(tmp_path), "benchmark_dir": BENCHMARK_DIR, "results_dir": "results", "env_dir": "env"}
        config = tmp_path / "asv.conf.json"
        config.write_text(json.dumps(settings | elsewhere))
        command = [sys.executable, "-m", "asv"]
        subprocess.run([*command, "machine", "--yes"], env=env, cwd=tmp_path, check=True, capture_output=True)
        gap = re.escape(f"track_reverse_over_forward({DEPTHS[0]}, {WIDTHS[0]}, {BATCHES[0]})")
        run = [*command, "run", f"--config={config}", "--python=same", "--set-commit-hash=HEAD", f"--bench={gap}"]

        done = subprocess.run(run, env=env, cwd=tmp_path, check=False, capture_output=True, text=True)

        assert done.returncode == 0, done.stdout + done.stderr
        (path,) = (tmp_path / "results").glob("*/*-existing-*.json")
        results = Results.load(str(path))
        (name,) = results.get_all_result_keys()
        params = results.get_result_params(name)
        return {
            "value": results.get_result_value(name, params)[0],
            "threads": results.env_vars["OPENBLAS_NUM_THREADS"],
        } | results.get_result_stats(name, params)[0]

    @pytest.mark.starts_processes
    def test_samples_get_median_and_interval(self, stats: dict[str, Any]) -> None:
        assert stats["repeat"] == timing.TIMINGS, "asv no longer takes {'samples', 'number'} for samples"
        assert 0 < stats["ci_99_a"] <= stats["value"] <= stats["ci_99_b"] < math.inf
        assert stats["threads"] == "1", "asv no longer applies env_nobuild with --python=same"

    def test_the_interval_tells_a_change_from_noise(self) -> None:
        rng = np.random.default_rng(0)
        before, same, slower = (
            timing.statistics(list(ratio * rng.normal(1, 0.02, size=timing.TIMINGS))) for ratio in (0.1, 0.1, 0.12)
        )
        a, b, c = (compute_stats(kept["samples"], kept["number"])[1] for kept in (before, same, slower))

        assert not is_different(None, None, a, b)
        assert is_different(None, None, a, c)


class TestConfiguration:
    @pytest.fixture
    def conf(self) -> asv.config.Config:
        return asv.config.Config.load(str(ROOT / "asv.conf.json"))

    def test_an_environment_holds_every_run_time_dependency_at_its_constrained_version(
        self, conf: asv.config.Config
    ) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        needed = {re.split(r"[<>=!~ ]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]}
        pins = dict(
            line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
        )
        build = {f"pip+{name}": [pins[name]] for name in ("hatchling", "setuptools")}
        assert conf.matrix["req"] == {name: [pins[name]] for name in needed} | build

    def test_one_blas_thread(self, conf: asv.config.Config) -> None:
        assert conf.matrix["env_nobuild"]["OPENBLAS_NUM_THREADS"] == ["1"]

    def test_results_stay_out_of_git(self, conf: asv.config.Config) -> None:
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        folders = {Path(folder).parts[0] for folder in (conf.env_dir, conf.results_dir, conf.html_dir)}
        assert {f"{folder}/" for folder in folders} <= set(ignored)
