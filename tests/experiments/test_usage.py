"""Mistakes of a user: each ends in one line that names what to change, and exit code 2, before anything runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException

from prograd_experiments import arguments, records, run
from prograd_experiments.config import show
from prograd_experiments.errors import ConfigError
from prograd_experiments.messages import message_of
from prograd_experiments.records import read
from tests.helpers import processes

ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
QUICK = ("data=synthetic", "depth=2", "width=2", "repeats=3", "sample_seconds=1e-4")


def prograd_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["prograd-run", *words], folder, ENVIRONMENT)


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--cfg job -m", "command line: expected one of --run, --multirun, --cfg, --info, --shell_completion, got"),
        ("--config-name nope", "--config-name: expected a configuration in the search path, got nope"),
        ("+depth=1", "+depth: expected a key that is new, got depth; without the + it is changed"),
        ("hydra=null", "configuration: expected one that Hydra can use, got ValueError: Config group override must be"),
        ("hydra.verbose=3", "configuration: expected one that Hydra can use, got AssertionError"),
        ("hydra.mode=both", "hydra.mode: expected a value that fits, got Invalid value 'both', expected one of [RUN, "),
        ("depth=${nope}", "depth: expected an interpolation of keys that exist, got Interpolation key 'nope' not"),
        ("data=csv", "data.path: expected a value, got none; set data.path=…"),
        ("depth=1,2", "depth=1,2: expected one value, got several; -m sweeps over them"),
        ("depth=[", "depth=[: expected KEY=VALUE in Hydra's grammar, got no viable alternative"),
        ('seed="3"', 'seed: expected an integer of at least 0, got "3"'),
        ("pictures=3", "pictures: expected a list of names from png, svg, pdf, got 3"),
        ("hydra.job.chdir=true", "hydra.job.chdir: expected false, since paths in a configuration are relative to"),
        ("-m hydra.job.chdir=true", "hydra.job.chdir: expected false, since paths in a configuration are relative to"),
        ("-m hydra.sweeper.max_batch_size=-1", "hydra.sweeper.max_batch_size: expected an integer of at least 1, or"),
        ("-m hydra.sweeper.max_batch_size=0", "hydra.sweeper.max_batch_size: expected an integer of at least 1, or"),
        ("-m hydra.sweeper.max_batch_size=x", "hydra.sweeper.max_batch_size: expected an integer of at least 1, or"),
        ("-m hydra.sweep.subdir=foo", "hydra.sweep.subdir: expected it unset, since a point's folder is named by its"),
        (
            "-m depth=1,2 hydra.sweep.dir=out/${depth}",
            "hydra.sweep.dir: expected one directory for all points, not one by depth, got out/${depth}",
        ),
        (
            "-m network=hourglass,mlp hydra.sweep.dir=out/${network.name}",
            "hydra.sweep.dir: expected one directory for all points, not one by network, got out/${network.name}",
        ),
        ("-m hydra.sweep.subdir=${seed}", "hydra.sweep.subdir: expected it unset, since a point's folder is named by"),
        ("-m hydra.sweep.dir=file", "hydra.sweep.dir: expected a directory, got file; a file has that name"),
        ("-m hydra.sweeper.params=3", "hydra.sweeper.params: expected keys with their choices, got 3"),
        ("-m experiment=speed_gap,train", "experiment: expected one in a sweep, got speed_gap, train; run a sweep"),
        ("-m network=conv,mlp network.channels=2", "network=mlp: expected the keys name, layer, final, got channels"),
        ("-m depth=range(5,2)", "depth: expected at least one choice, got none from range(5,2)"),
        ("-m data.path=glob(zzz*)", "data.path: expected at least one choice, got none from glob(zzz*)"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_runs(tmp_path: Path, words: str, message: str) -> None:
    (tmp_path / "file").touch()
    done = prograd_run(tmp_path, *words.split(" "))
    assert done.stderr.startswith(f"prograd-run: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "experiment=speed_gap batch=4000",
            "batch: expected at most the 1797 samples of the data set digits, got 4000",
        ),
        ("experiment=train loss=cross_entropy", "network.final=softmax makes probabilities of them"),
        ("experiment=train data=synthetic data.samples=1", "validation_fraction: expected fractions that leave at"),
        (
            "experiment=train data=iris loss=squared_error optimizer.rate=1e9",
            "; optimizer.rate=0.1 may be small enough",
        ),
        ("experiment=speed_gap width=1000000000000", "memory: expected arrays that fit, got: unable to allocate "),
        ("experiment=speed_gap hydra.run.dir=one.csv/x", "one.csv/x: expected a path that can be used, got not a dir"),
        ("experiment=train data=csv data.path=one.csv", "one.csv, target t: expected at least 2 classes, got one: 3"),
    ],
)
def test_a_mistake_that_a_single_job_meets_is_one_line(tmp_path: Path, words: str, message: str) -> None:
    (tmp_path / "one.csv").write_text("a,t\n1,3\n2,3\n")
    done = prograd_run(tmp_path, *words.split(" "))
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.starts_processes
def test_what_a_table_was_taken_for_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,t\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(9)))
    for words in (("epochs=1",), ("-m", "epochs=1,2")):
        done = prograd_run(tmp_path, "experiment=train", "data=csv", "data.path=t.csv", "optimizer.batch=5", *words)
        assert done.stdout.startswith(f"{tmp_path / 't.csv'}: 9 samples of 1 feature; target t: 2 classes (x, y)\n")
        assert done.stdout.count("9 samples of 1 feature") == 1
    hash_of_it = read(next(tmp_path.rglob("record.json")))["config"]["data"]["sha256"]
    assert hash_of_it not in done.stdout + next(tmp_path.rglob("report.html")).read_text()


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"depth: [1\n", "mine.yaml, line 3: expected YAML, got a mistake: expected ',' or ']'"),
        (b"depth: 1\ndepth: 2\n", "mine.yaml, line 3: expected YAML, got a mistake: found duplicate key depth"),
        (b"depth: !!python/object:os.system {}\n", "mine.yaml, line 2: expected YAML, got a mistake: could not deter"),
        (b"# na\xefve\ndepth: 1\n", "mine.yaml: expected text in UTF-8, got the byte 0xef"),
        (b"- 1\n", "In 'experiment/mine': ConfigTypeError raised while composing config: Cannot merge DictConfig"),
        (b"defaults: [nothere]\n", "In 'experiment/mine': Could not load 'experiment/nothere'"),
    ],
)
def test_a_configuration_file_that_is_none_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"# @package _global_\n" + content)
    done = prograd_run(tmp_path, "--config-dir", "conf", "experiment=mine")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2


@pytest.mark.starts_processes
def test_options_may_stand_among_the_overrides(tmp_path: Path) -> None:
    done = prograd_run(tmp_path, *QUICK, "-m", "seed=0,0,1", "hydra.sweep.dir=s")
    assert done.returncode == 0, done.stderr
    assert "2 points: 2 new; 1 the same as another, left out" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("loss=null", "loss: expected one of by_classes, cross_entropy, default, .*, got null"),
        ("data=1", "data: expected one of breast_cancer, csv, .*, got 1"),
        ("experiment=true", "experiment: expected one of auto, bracketing, .*, got true"),
        ("-m loss=hinge,null", "loss: expected one of .*, got null"),
        ("-m network=1,2", "network: expected one of .*, got 1"),
        ("network=[mlp,conv]", r'network: expected one of .*, got \["mlp", "conv"\]'),
        ("+grid=3", "grid: expected one of full, product, short, got 3"),
        ("hydra/launcher=null", "hydra/launcher: expected the name of a choice, got null"),
        ("=3", "=3: expected KEY=VALUE, got no key"),
        (
            "-m hydra.sweep.dir=a,b",
            "hydra.sweep.dir: expected one value, since Hydra's own keys hold for a whole sweep, got",
        ),
        ("-m hydra/launcher=joblib,basic", "hydra/launcher: expected one value, .*, got joblib,basic"),
        ("--config-dir nowhere", "--config-dir: expected a directory, got nowhere"),
        ("--run -m", "command line: expected one of .*, got --run and --multirun"),
        ("--resolve", "--resolve: expected --cfg with it, got no --cfg"),
        ("--confg-dir x", "option: expected one of --help, .*, got --confg-dir; did you mean --config-dir"),
        ("--config-dir", "command line: expected options .*, got a mistake: argument .*: expected one argument"),
        ("--package foo", "--package: expected --cfg with it, got no --cfg"),
    ],
)
def test_words_that_hydra_would_not_explain_are_refused(words: str, message: str) -> None:
    run.store_choices()
    with pytest.raises(ConfigError, match=f"^{message}"):
        arguments.arranged(words.split())


@pytest.mark.parametrize(
    ("words", "arranged"),
    [
        ("depth=1 -m width=2 seed=3", "-m depth=1 width=2 seed=3"),
        ("depth=1 --cfg job width=2", "--cfg job depth=1 width=2"),
        ("-m depth=1,2 width=2", "-m depth=1,2 width=2"),
        ("loss=hinge data={name:iris} ~seed", "loss=hinge data={name:iris} ~seed"),
        ("--config-dir . -m seed=3 --config-name b width=2", "--config-dir . -m --config-name b seed=3 width=2"),
    ],
)
def test_overrides_come_last(words: str, arranged: str) -> None:
    assert arguments.arranged(words.split()) == arranged.split()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("depth=interval(1,3)", r"depth: expected choices, such as 1,2,4 or range\(1,5\), got interval\(1,3\)"),
        ("depth=range(1,3,0)", r"depth: expected choices, such as .*, got range\(1,3,0\); range\(\) arg 3 must not"),
        ("depth=range(1,1000000000)", "sweep: expected at most 1000000 points, got more"),
        ("sample_seconds=range(0.1,1,1e-9)", "sweep: expected at most 1000000 points, got more"),
        ("depth=range(3,1)", "depth: expected at least one choice, got none"),
        ("force=true,false", "force: expected one value for the whole sweep, got true,false"),
        ("pictures=[png],[svg]", "pictures: expected one value for the whole sweep"),
    ],
)
def test_a_sweep_over_what_it_cannot_be_over_is_refused(word: str, message: str) -> None:
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        with pytest.raises(ConfigError, match=message):
            arguments.jobs({}, [word], loader)


def test_the_experiments_own_choices_fill_in_what_is_left_out() -> None:
    with initialize_config_module("prograd_experiments.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        jobs = arguments.jobs({"depth": "1,2", "batch": None, "seed": 3}, ["depth=range(4,7,2)"], loader)
        assert jobs == [["depth=4", "batch=null", "seed=3"], ["depth=6", "batch=null", "seed=3"]]
        assert compose("config", jobs[0]).batch is None


@pytest.mark.parametrize("text", ["3", "true", "True", "null", "0.1", "[1]", "", "-1e3"])
def test_text_that_looks_like_something_else_is_shown_in_quotes(text: str) -> None:
    assert show(text) == json.dumps(text)
    assert show(f"x{text}") == f"x{text}"


SLOW = ("data=synthetic", "width=2", "repeats=100", "sample_seconds=1", "max_seconds=1000", "modes=[forward,reverse]")


@pytest.mark.starts_processes
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_sweep_with_a_summary(tmp_path: Path, number: signal.Signals, code: int) -> None:
    points = ("depth=1,2", "hydra.sweep.dir=s")
    started = processes.begin(["prograd-run", "-m", *SLOW, *points], tmp_path, ENVIRONMENT)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("s/*/record.json")):
        assert time.monotonic() < end, "no job began"
        time.sleep(0.01)
    os.kill(started.pid, number)
    assert started.wait(60) == code
    (path,) = tmp_path.glob("s/*/record.json")
    assert records.read(path)["status"] in {"failed", "running"}  # running: the signal came before the measurement
    assert (tmp_path / "s" / "summary.csv").exists()
    assert not list(tmp_path.rglob(".lock"))


def test_a_launcher_that_is_not_installed_names_its_extra() -> None:
    there = ["basic", "joblib", "prograd"]
    absent, unknown = (MissingConfigException("", f"hydra/launcher/{name}", there) for name in ("ray", "joblip"))
    expected = "hydra/launcher: expected one of basic, joblib, prograd, got "
    assert message_of(absent) == f"{expected}ray; pip install 'prograd[ray]' installs it"
    assert message_of(unknown) == f"{expected}joblip; did you mean joblib?"
