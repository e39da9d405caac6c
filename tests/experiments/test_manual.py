"""`prograd-run --help`: every key has a meaning, and an experiment shows its own keys."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

import prograd
from prograd_experiments import arguments, completion, jobs, manual, run
from tests.helpers import processes
from tests.helpers.documents import ROOT

run.store_choices()
GROUPS = arguments.groups()
NAMES = ("network", "data", "optimizer", "loss", "penalty")
TRAINED = zip_longest(*(GROUPS[name] for name in NAMES))
CONFIGURATIONS = [
    *([f"experiment={name}"] for name in GROUPS["experiment"]),
    *(
        ["experiment=train", *(f"{group}={name}" for group, name in zip(NAMES, chosen, strict=True) if name)]
        for chosen in TRAINED
    ),
]


def keys(*words: str) -> set[str]:
    """The left sides of all rows, without values."""
    rows = [row for heading, rows in manual.sections(words).items() if "=" in heading for row in rows]
    return {left.partition("=")[0] for left, _ in rows}


@pytest.mark.parametrize("words", CONFIGURATIONS, ids=" ".join)
def test_every_key_has_a_meaning(words) -> None:
    rows = [row for heading, rows in manual.sections(words).items() if "=" in heading for row in rows]
    assert [left for left, right in rows if not right or right.startswith("Others")] == []


def test_an_experiment_shows_its_own_keys() -> None:
    train, gap, peers = (keys(f"experiment={name}") for name in ("train", "speed_gap", "peers"))
    assert {"mode", "epochs", "optimizer", "optimizer.batch", "penalty", "seed", "force"} <= train
    assert not {"modes", "batch", "machine", "repeats", "grid"} & train
    assert {"modes", "batch", "machine", "repeats"} <= gap
    assert not {"mode", "epochs", "optimizer", "penalty", "grid"} & gap
    assert {"engines", "grid", "batch"} <= peers
    assert not {"activation", "modes", "network", "network.final", "data", "loss"} & peers


def test_the_page_shows_what_the_command_line_says() -> None:
    words = ["experiment=train", "optimizer=adam", "loss=huber", "penalty=l1", "depth=7", "machine=off"]
    found = manual.sections(words)
    rows = [row for rows in found.values() for row in rows]
    told = dict(rows)
    assert told["depth=7"] == "affine layers, including the last"
    assert told["loss.delta=1.0"].startswith("the size of a residual from which")
    assert told["loss=huber"].startswith("ℓ_y(z) = ")
    assert told["penalty.eps=0.001"].startswith("entries below it count by their squares")
    assert told["penalty=l1"].startswith("ρ(w) = ")
    assert told["optimizer.beta2=0.999"] == "of the mean of their squares"
    assert told["experiment=train"].startswith(
        "How well does the network predict samples that it has not seen? Others: "
    )
    assert "modes=[reverse]" in dict(row for rows in manual.sections(["modes=[reverse]"]).values() for row in rows)


def test_a_sweep_is_left_out() -> None:
    rows = dict(row for rows in manual.sections(["-m", "depth=2,4", "width=8"]).values() for row in rows)
    assert {"depth=4", "width=8"} <= set(rows)


def test_experiments_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    mine = "# @package _global_\n# Mine.\ndefaults:\n  - train\n  - _self_\n\nepochs: 5  # enough\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(mine)
    found = manual.sections(["--config-dir", str(tmp_path), "experiment=mine"])
    rows = dict(row for rows in found.values() for row in rows)
    assert rows["experiment=mine"].startswith("Mine. Others: ")
    assert rows["epochs=5"] == "enough"
    assert rows["evaluate_every=1"] == "epochs between two points of the curves"
    assert "batch=1" not in rows


def test_what_builds_on_another_choice_has_its_meanings() -> None:
    rows = dict(row for rows in manual.sections(["experiment=mlp_digits"]).values() for row in rows)
    assert rows["epochs=30"] == "passes over the training samples"
    assert rows["experiment=mlp_digits"].startswith("Handwritten digits: two affine layers, mini-batches.")


@pytest.mark.parametrize(("document", "experiment"), [("experiments", "speed_gap"), ("training", "train")])
def test_the_guide_has_the_same_keys_with_the_same_defaults(document, experiment) -> None:
    table = (ROOT / "docs" / f"{document}.md").read_text().partition("## The keys\n")[2].strip().partition("\n\n")[0]
    guide = dict(re.findall(r"^\| `([\w.]+)` \| `?([^|`]+?)`? \|", table, re.MULTILINE))
    found = manual.sections([f"experiment={experiment}"])
    told = dict(left.split("=") for heading, rows in found.items() if "=" in heading for left, _ in rows)
    del told["experiment"]
    assert {key: guide[key] for key in told if key in guide} == {key: told[key] for key in told if key in guide}
    elsewhere = set() if experiment == "speed_gap" else keys("experiment=speed_gap")
    assert {key for key in told if "." not in key} - elsewhere <= set(guide)


def test_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = manual.page([]).splitlines()
    table = lines[lines.index("== Keys of experiment=speed_gap (key=value) ==") :]
    assert max(map(len, table)) <= 60
    assert "  depth=4                     affine layers, including the" in table
    assert "  modes=[forward,factored,reverse]" in table


def test_comments_of_a_configuration() -> None:
    text = "# above\na: 1   # one\nb:      # group\n  c: x # inner\n  d:\n    e: [1, 2]  # deep\nf: 3\n"
    assert manual.comments(text) == {"a": "one", "b": "group", "b.c": "inner", "b.d.e": "deep"}


def test_every_experiment_tells_what_it_does_not_use() -> None:
    for name, experiment in jobs.EXPERIMENTS.items():
        assert not set(experiment.unused) & {"experiment"}, name


# Without the extra, and in a shell.


@pytest.mark.starts_processes
def test_without_hydra_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['hydra'] = None; from prograd_experiments.start import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "prograd-run: expected the module 'hydra', which is not installed; "
        "install it with: pip install 'prograd[experiments]'\n"
    )


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("prograd-run activation=ta", ["activation=tanh"]),
        (
            "prograd-run -m depth=2 activation=relu,si",
            [f"activation=relu,{name}" for name in ("sigmoid", "silu", "sine")],
        ),
        ("prograd-run mode=", [f"mode={name}" for name in (*prograd.MODES, "auto")]),
        ("prograd-run modes=[forward,o", ["modes=[forward,optimal"]),
        ("prograd-run network.layer=leaky", ["network.layer=leaky_relu"]),
        ("prograd-run loss=h", None),
        ("prograd-run dep", None),
    ],
)
def test_the_shell_completes_names(line, offered) -> None:
    assert completion.choices(line) == offered


def test_hydra_answers_the_rest() -> None:
    assert completion.answer(["-sc", "query=fish"], "prograd-run mode=f") == "mode=forward\nmode=factored"
    assert completion.answer(["-sc", "query=bash"], "prograd-run mode=f") == "mode=forward mode=factored"
    assert completion.answer(["-sc", "query=bash"], "prograd-run depth=") is None
    assert completion.answer(["-sc", "install=bash"], "") is None
    assert completion.answer(["depth=3"], "prograd-run mode=f") is None


@pytest.mark.starts_processes
def test_the_command_answers_a_shell(tmp_path: Path) -> None:
    for line, answer in (("prograd-run activation=ta", "activation=tanh"), ("prograd-run loss=hu", "loss=huber")):
        environment = os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        done = processes.run(["prograd-run", "-sc", "query=bash"], tmp_path, environment)
        assert (done.returncode, done.stdout) == (0, f"{answer}\n")
