"""Plans: what they say, how well memory is predicted, and what "auto" does with them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import prograd
from prograd.commands.group import main
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.modes.recomputation import object_bytes
from prograd.planning import calibration
from prograd.planning.plan import TIE
from prograd.planning.recording import Cost
from prograd.tape import machine
from prograd.testing import counted

RATES = calibration.read(Path(__file__).parents[1] / "rates.json")


def affine(*widths):
    return [{"name": "affine", "width": width} for width in widths]


def hidden(*widths, name="tanh"):
    return [layer for width in widths for layer in (*affine(width), {"name": name})]


CONV = [
    {"name": "conv2d", "image": [1, 12, 12], "channels": 8, "kernel": 3, "padding": 1},
    {"name": "relu"},
    {"name": "max_pool2d", "image": [8, 12, 12], "window": 2},
    {"name": "conv2d", "image": [8, 6, 6], "channels": 8, "kernel": 3, "padding": 1},
    {"name": "tanh"},
    {"name": "avg_pool2d", "image": [8, 6, 6], "window": 2},
    *affine(10),
]
RESIDUAL = [*affine(64), *[{"name": "residual", "layers": hidden(64)}] * 4, *affine(10)]
NORMALISED = [layer for _ in range(3) for layer in (*affine(96), {"name": "layer_norm"}, {"name": "tanh"})] + [
    *affine(10),
    {"name": "softmax"},
]
HOURGLASS = [*hidden(128, 32, 4, 32, 128), *affine(64)]

# name -> layers, n_in, and batches small enough for a test and large enough for objects not to count
MEMORY = {
    "mlp": (hidden(128, 128, 128) + affine(10), 64, (60, 1500)),
    "deep": (hidden(*[64] * 20), 64, (100,)),
    "wide": (hidden(512, 512) + affine(10), 64, (100,)),
    "one sample": (hidden(512, 512) + affine(10), 64, (1,)),
    "hourglass": (HOURGLASS, 64, (100,)),
    "residual": (RESIDUAL, 32, (100,)),
    "normalised": (NORMALISED, 64, (100,)),
    "scaled": (affine(64) + [{"name": "scale_shift"}, {"name": "sigmoid"}] * 3 + affine(10), 32, (400,)),
    "conv": (CONV, 144, (50,)),
}
ADDED = {"residual"}  # numpy adds large temporary arrays in place, which no recording sees
POINTS = [pytest.param(name, batch, id=f"{name}-{batch}") for name, (_, _, Ns) in MEMORY.items() for batch in Ns]


def network(name):
    layers, n_in, _ = MEMORY[name]
    return prograd.Network.from_config(layers, n_in)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "batch"), POINTS)
def test_peak_bytes(name, batch, dtype, peak):
    """The interpreted run's, by tracemalloc."""
    net, rng = network(name), np.random.default_rng(0)
    x, y = rng.normal(size=(batch, net.n[0])).astype(dtype), rng.normal(size=(batch, net.n[-1])).astype(dtype)
    w = net.init(rng).astype(dtype)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    for outputs, wrt in (("gradient", "parameters"), ("jacobian", "parameters"), ("jacobian", "input")):
        for mode, cost in prograd.plan(net, batch, wrt, outputs, dtype=dtype, rates=RATES).costs.items():
            if cost.multiply_adds > 10**9 or cost.peak_bytes > 2 * 10**8:
                continue  # takes long; the smaller ones have the same shape
            call = f.value_and_gradient if outputs == "gradient" else partial(prograd.jacobian, net, x=x, wrt=wrt)
            with machine.using("off"):
                measured = peak(partial(call, w=w, mode=mode))
            most = 1.35 if name in ADDED else 1.05
            objects = object_bytes(net) + 2**17  # Python's, and numpy's buffers
            assert 0.95 * measured - objects <= cost.run_bytes <= most * measured + objects, (outputs, wrt, mode)


def test_tape_bytes_are_those_of_the_tape():
    net = network("residual")
    f = prograd.Objective(net, prograd.loss("squared_error"), np.zeros((100, 32)), np.zeros((100, 10)))
    for mode, cost in prograd.plan(net, 100, rates=RATES).costs.items():
        if mode != "forward":  # a recording of all chunks takes long
            assert cost.tape_bytes == pytest.approx(f.tape(mode).scratch_bytes + 8 * net.size, rel=0.05), mode


def test_nothing_is_computed_and_no_memory_taken(peak):
    net = prograd.Network.from_config(hidden(*[4096] * 6) + affine(4096), 4096)
    assert peak(lambda: prograd.plan(net, 10**6, outputs="jacobian", rates=RATES)) < 2**21  # w alone takes 900 MiB


def test_what_a_plan_says():
    net = prograd.Network.from_config(hidden(4) + affine(2), 3)
    plan = prograd.plan(net, 5, rates=RATES)
    assert plan.orders["reverse"] == "((q A_3) | (((q B_3) B_2) A_1))"
    assert plan.orders["forward"] == "(q (A_3 | (B_3 (B_2 A_1))))"
    assert plan.orders["factored"] == "((q A_3) | ((q (B_3 B_2)) A_1))"
    assert plan.mode == min(plan.seconds, key=plan.seconds.get) == "reverse"
    assert plan.cost is plan.costs["reverse"]
    assert plan.order == plan.orders["reverse"]
    lines = str(plan).splitlines()
    what = "gradient of Network(3 → affine → 4 → tanh → 4 → affine → 2; 26 parameters), 5 samples, float64"
    assert lines[0] == f"{what}, {machine.WORDS[machine.current()]}"
    assert lines[2].split()[:2] == ["reverse", str(5 * (12 + 4 * 2 + 4 + 8))]
    assert lines[-1] == f"reverse: {plan.order}"
    content = json.loads(json.dumps(plan.as_json()))
    assert content["mode"] == "reverse"
    assert content["modes"]["forward"]["multiply_adds"] == plan.costs["forward"].multiply_adds


def test_of_equal_modes_the_simpler_is_taken():
    net = prograd.Network.from_config(hidden(4) + affine(2), 3)
    made = prograd.plan(net, rates=RATES)

    def mode(**times):
        (step,) = {one for one in made.cost.steps if one.kind.name == "tanh"}
        costs = {name: Cost(0, 0, 0, 0, (dataclasses.replace(step, times=n),)) for name, n in times.items()}
        return dataclasses.replace(made, costs=costs).mode

    assert mode(reverse=10_400, forward=20_000, factored=10_000) == "reverse"
    assert mode(reverse=10_700, forward=20_000, factored=10_000) == "factored"


def test_by_the_input():
    net = prograd.Network.from_config(hidden(4) + affine(2), 3)
    plan = prograd.plan(net, 1, "input", "jacobian", rates=RATES)
    assert plan.orders == {
        "reverse": "((B_3 B_2) B_1)",
        "forward": "(B_3 (B_2 B_1))",
        "factored": "(B_3 (B_2 B_1))",
        "optimal": "((B_3 B_2) B_1)",
    }
    assert plan.costs["reverse"].multiply_adds == 2 * (8 + 4 + 12)
    assert plan.costs["forward"].multiply_adds == 3 * (8 + 4 + 12)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"batch": 0}, ShapeError, "batch: expected a positive number of samples, got 0"),
        ({"outputs": "hessian"}, UnknownNameError, "outputs: expected a known name, got 'hessian'"),
        ({"wrt": "labels"}, UnknownNameError, "wrt: expected a known name, got 'labels'"),
        ({"wrt": "input"}, OptionError, "an objective has no gradient by its samples"),
        ({"dtype": "int8"}, OptionError, "expected float64 or float32, got int8"),
    ],
)
def test_what_cannot_be_planned(options, error, match):
    net = prograd.Network.from_config(affine(2), 3)
    with pytest.raises(error, match=match):
        prograd.plan(net, rates=RATES, **options)


def test_modes_that_max_bytes_is_too_small_for_are_left_out():
    net = prograd.Network.from_config(hidden(64) + affine(8), 16)
    free = prograd.plan(net, 32, outputs="jacobian", rates=RATES).costs
    limit = free["reverse"].peak_bytes
    plan = prograd.plan(net, 32, outputs="jacobian", max_bytes=3_600_000, rates=RATES)
    assert list(plan.costs) == ["forward"]  # in smaller chunks
    assert plan.costs["forward"].peak_bytes < min(limit, free["forward"].peak_bytes)
    assert plan.left_out["reverse"].startswith("max_bytes: expected at least ")
    with pytest.raises(OptionError, match=r"max_bytes: expected at least .* for reverse mode, .* got 1000"):
        prograd.plan(net, 32, max_bytes=1000, rates=RATES)


def test_auto_takes_what_is_predicted_to_be_the_quickest(monkeypatch, tmp_path):
    net = prograd.Network.from_config(hidden(30) + affine(200), 2)  # few inputs, many outputs: forward is cheaper
    w, x = net.init(0), np.ones((20, 2))
    expected = prograd.jacobian(net, w, x, wrt="input", mode="forward")
    found = set()
    for seconds in (1e-9, 1.0):  # of an instruction: the fewest multiply-adds win, or the fewest instructions
        path = tmp_path / f"{seconds}.json"
        calibration.write(path, dataclasses.replace(RATES, off=seconds))
        monkeypatch.setenv(calibration.FILE, str(path))
        with machine.using("off"):
            plan = prograd.plan(net, 20, "input", "jacobian")
            with counted() as count:
                J = prograd.jacobian(net, w, x, wrt="input", mode="auto")
        np.testing.assert_allclose(J, expected, rtol=1e-10)
        assert plan.seconds[plan.mode] <= TIE * min(plan.seconds.values())
        assert count.multiply_adds == plan.cost.multiply_adds
        found.add(plan.mode)
    assert len(found) == 2


def run(*arguments):
    return CliRunner().invoke(main, ["plan", *arguments])


def test_the_command():
    arguments = ["--n-in", "8", "-l", "affine width=4 bias=false", "-l", "tanh", "-l", "affine width=2", "--batch", "7"]
    result = run(*arguments)
    assert result.exit_code == 0
    for word in ("8 → affine → 4", "7 samples", "reverse", "forward", "peak bytes", "tape bytes", "(q "):
        assert word in result.output
    assert len(re.findall(r" \d+(\.\d+)? (ns|µs|ms|s)$", result.output, re.MULTILINE)) == len(prograd.MODES)
    content = json.loads(run(*arguments, "--wrt", "input", "--json").output)
    assert content["outputs"] == "jacobian"
    assert set(content["modes"]) == set(prograd.MODES)
    for mode in content["modes"].values():
        assert mode["peak_bytes"] == max(mode["run_bytes"], mode["tape_bytes"])


def test_the_command_takes_layers_and_parameters():
    arguments = ["--n-in", "8", "-l", "affine width=4", "-l", "affine width=2", "--json"]
    content = json.loads(run(*arguments, "--wrt", "0.W,1").output)
    assert content["wrt"] == "layers[0].W, layers[1].W, layers[1].b"
    assert content["modes"]["reverse"]["multiply_adds"] == 2 * 4 + 2 * 4 + 4 * 8
    assert json.loads(run(*arguments, "--wrt=-1").output)["modes"]["reverse"]["multiply_adds"] == 2 * 4
    for wrong, message in (("W", "expected parameters, input, or layers"), ("2", "wrt: expected numbers from -2 to 1")):
        result = run(*arguments, "--wrt", wrong)
        assert result.exit_code != 0
        assert message in result.stderr


def test_the_table_of_the_command_cuts_no_number():
    arguments = ["--n-in", "6400", "-l", "affine width=3200", "-l", "tanh", "-l", "affine width=1000"]
    output = run(*arguments, "--batch", "10000").output
    modes = json.loads(run(*arguments, "--batch", "10000", "--json").output)["modes"]
    for key in ("multiply_adds", "peak_bytes", "tape_bytes", "moved_bytes"):
        assert f"{modes['forward'][key]:,}" in output


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("network.yaml", "n_in: 8\nlayers: [{name: affine, width: 4}, tanh]\n"),
        ("network.json", '{"n_in": 8, "layers": [{"name": "affine", "width": 4}, "tanh"]}'),
    ],
)
def test_the_command_reads_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert "8 → affine → 4 → tanh → 4" in run("--network", str(tmp_path / name)).output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "expected layers, got none"),
        (["-l", "tanh"], 2, "expected the inputs"),
        (["-l", "affine 4", "--n-in", "3"], 2, "expected OPTION=VALUE, got '4'"),
        (["-l", "afine width=4", "--n-in", "3"], 2, "did you mean 'affine'"),
        (["-l", "affine 'width=4", "--n-in", "3"], 2, "No closing quotation"),
        (["-l", "affine width=0", "--n-in", "3"], 2, "width: expected an integer of at least 1"),
        (["--network", "nowhere.yaml"], 2, "nowhere.yaml: expected a path that can be used, got no such file"),
        (["-l", "tanh", "--n-in", "3", "--rates", "nowhere.json"], 2, "nowhere.json: expected a file of rates"),
    ],
)
def test_what_the_command_refuses(arguments, code, message):
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.output


# Nine times itself, eight times over: a line of aliases that nobody should write out.
POWERS = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in itertools.pairwise("abcdefghi")]
ALIASES = "\n".join([f"a: &a [{', '.join('x' * 9)}]", *POWERS, "layers: *i"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list of layers"),
        ("- {width: 3}", "layers[0]: expected a name"),
        ("[", "expected JSON or YAML"),
        ("[" * 3000 + "]" * 3000, "expected layers, got values that are nested too deeply to be read"),
        ("[" * 100_000, "expected layers, got values that are nested too deeply to be read"),
        ("- &a [*a]", "layers[0]: expected a name or a mapping with a name, got [[[[[[[...]]]]]]]"),
        (ALIASES, "layers[0]: expected a name or a mapping with a name, got [[["),
    ],
)
def test_files_that_hold_no_network(tmp_path, text, message):
    (tmp_path / "network.yaml").write_text(text)
    result = run("--network", str(tmp_path / "network.yaml"), "--n-in", "3")
    assert result.exit_code == 2
    assert message in result.output


def test_products_with_the_hessian_are_planned_by_reverse_mode():
    net = prograd.Network.from_config([{"name": "affine", "width": 8}, "tanh", {"name": "affine", "width": 2}], 3)
    plan = prograd.plan(net, 5, outputs="hessian_vector")
    assert set(plan.costs) == {"reverse"}
    assert "product with the Hessian" in str(plan)
    assert plan.costs["reverse"].multiply_adds > prograd.plan(net, 5).costs["reverse"].multiply_adds
    with pytest.raises(OptionError, match='outputs="hessian_vector": expected wrt="parameters"'):
        prograd.plan(net, 5, wrt=-1, outputs="hessian_vector")


def test_a_product_with_the_hessian_that_a_layer_has_none_for_is_not_planned():
    class Square(prograd.Elementwise):
        def phi(self, z):
            return z * z

        def dphi(self, z, z_next):
            return 2 * z

    with pytest.raises(OptionError, match="layer square: expected d2phi"):
        prograd.plan(prograd.Network([prograd.layer("affine", width=2), Square()], 2), outputs="hessian_vector")
