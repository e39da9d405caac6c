"""Plans: what they say, how well memory is predicted, and what "auto" does with them."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

import prograd
from prograd.commands.group import main
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.operators.ledger import Cost, Step
from prograd.planning import calibration
from prograd.planning.rates import Rates, at
from prograd.tape import machine
from prograd.testing import counted

RATES = Rates(
    product64=((4, 1e9), (64, 1e10)),
    product32=((4, 2e9),),
    memory=((1e6, 1e10), (1e8, 1e9)),
    write=((1e6, 1e10),),
    transpose=((1e6, 1e10),),
    replayed_write=((1e6, 4e10),),
    replayed_transpose=((1e6, 2e10),),
    sparse=1e9,
    function=1e8,
    call=1e-6,
    columns_call=1e-5,
    rule=5e-6,
    layer=5e-6,
    merge=4e-5,
)


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
POINTS = [pytest.param(name, batch, id=f"{name}-{batch}") for name, (_, _, Ns) in MEMORY.items() for batch in Ns]


def network(name):
    layers, n_in, _ = MEMORY[name]
    return prograd.Network.from_config(layers, n_in)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "batch"), POINTS)
def test_peak_bytes_within_a_tenth(name, batch, dtype, peak):
    net, rng = network(name), np.random.default_rng(0)
    x, y = rng.normal(size=(batch, net.n[0])).astype(dtype), rng.normal(size=(batch, net.n[-1])).astype(dtype)
    w = net.init(rng).astype(dtype)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    for outputs in ("gradient", "jacobian"):
        plan = prograd.plan(net, batch, outputs=outputs, dtype=dtype, rates=RATES)
        for mode in ("reverse", "forward", "optimal"):
            if plan.costs[mode].multiply_adds > 10**9 or plan.costs[mode].peak_bytes > 2 * 10**8:
                continue  # takes long; the smaller ones have the same shape
            call = f.value_and_gradient if outputs == "gradient" else partial(prograd.jacobian, net, x=x)
            with machine.using("off"):
                measured = peak(partial(call, w=w, mode=mode))
            assert plan.costs[mode].peak_bytes == pytest.approx(measured, rel=0.1), (outputs, mode)


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

    def mode(**layers):
        costs = {name: Cost((), (Step("layer", calls, 0, 0),), 0, 8) for name, calls in layers.items()}
        return dataclasses.replace(made, costs=costs).mode

    assert mode(reverse=104, forward=200, factored=100) == "reverse"
    assert mode(reverse=106, forward=200, factored=100) == "factored"


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
    plan = prograd.plan(net, 32, outputs="jacobian", max_bytes=4_500_000, rates=RATES)
    assert all(cost.peak_bytes <= 4_500_000 for cost in plan.costs.values())
    assert (
        plan.costs["forward"].peak_bytes
        < prograd.plan(net, 32, outputs="jacobian", rates=RATES).costs["forward"].peak_bytes
    )
    least = prograd.plan(net, 32, outputs="jacobian", max_bytes=3_835_000, rates=RATES)
    assert "reverse" in least.costs
    assert "optimal" not in least.costs
    with pytest.raises(OptionError, match=r"max_bytes: expected at least .* for reverse mode, .* got 1000"):
        prograd.plan(net, 32, max_bytes=1000, rates=RATES)


def test_seconds_are_the_longer_of_computing_and_moving():
    cost = Cost((Step("product", 2, 10**9, 1000, 64.0),), (Step("copy", 1, 0, 10**6),), 0, 8)
    assert RATES.seconds(cost) == pytest.approx(10**9 / 1e10 + 2e-6 + 1e-4 + 1e-6)
    assert RATES.step_seconds(Step("product", 1, 10, 10**6, 1.0), 8) == pytest.approx(1e-4 + 1e-6)
    assert RATES.step_seconds(Step("write", 1, 0, 10**6), 8) == pytest.approx(1e-4 + 1e-6)
    assert RATES.step_seconds(Step("write", 1, 0, 10**6), 8, replayed=True) == pytest.approx(2.5e-5 + 1e-7)
    assert RATES.step_seconds(Step("transpose", 1, 0, 10**6), 8, replayed=True) == pytest.approx(5e-5 + 1e-7)
    assert at(RATES.product64, 16.0) == pytest.approx(np.sqrt(1e9 * 1e10))
    assert at(RATES.product64, 1.0) == 1e9
    assert at(RATES.product64, 1e6) == 1e10


def test_auto_takes_what_is_predicted_to_be_the_quickest(monkeypatch, tmp_path):
    net = prograd.Network.from_config(hidden(30) + affine(200), 2)  # few inputs, many outputs: forward is cheaper
    w, x = net.init(0), np.ones((20, 2))
    expected = prograd.jacobian(net, w, x, wrt="input", mode="forward")
    merging = dataclasses.replace(RATES, rule=1e-2)  # a machine on which factored and optimal mode take their time
    for rates, mode in ((merging, "forward"), (dataclasses.replace(merging, columns_call=1.0), "reverse")):
        path = tmp_path / f"{mode}.json"
        calibration.write(path, rates)
        monkeypatch.setenv(calibration.FILE, str(path))
        with machine.using("off"):  # a replay calls no Python, whose time these rates are about
            plan = prograd.plan(net, 20, "input", "jacobian")
            assert plan.mode == mode
        with counted() as count:
            J = prograd.jacobian(net, w, x, wrt="input", mode="auto")
        np.testing.assert_allclose(J, expected, rtol=1e-10)
        assert [name for name, cost in plan.costs.items() if cost.multiply_adds == count.multiply_adds] == [mode]


@pytest.mark.slow
def test_calibration(monkeypatch, tmp_path):
    rates = calibration.calibrate()
    assert Rates.from_json(json.loads(str(rates))) == rates
    monkeypatch.delenv(calibration.FILE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration.sys, "platform", "linux")
    made = []
    monkeypatch.setattr(calibration, "calibrate", lambda: made.append(1) or rates)

    def again():
        calibration.rates_of.cache_clear()
        return calibration.machine_rates()

    assert again() == again() == rates
    assert len(made) == 1  # the second time it was read
    (path,) = (tmp_path / "prograd").iterdir()
    for broken in ("", "{", "[]", '{"schema": "prograd.rates/2"}', path.read_text().replace("call", "cell")):
        path.write_text(broken)
        assert again() == rates
        assert calibration.read(path) == rates  # replaced
    path.unlink()
    (tmp_path / "prograd").rmdir()
    (tmp_path / "prograd").write_text("in the way")  # as good as a home that can't be written to
    assert again() == rates
    calibration.rates_of.cache_clear()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema": "prograd.rates/0"}, "schema"),
        ({"sparse": -1}, "sparse: expected a positive number, got -1"),
        ({"memory": [[2, 1], [1, 1]]}, "memory: expected pairs"),
        ({"product64": []}, "product64: expected pairs"),
        ({"call": None}, "call: expected a positive number, got None"),
    ],
)
def test_rates_of_ones_own_are_checked(change, match, monkeypatch, tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(RATES.as_json() | change))
    monkeypatch.setenv(calibration.FILE, str(path))
    with pytest.raises(OptionError, match=f"rates.json: .*{match}"):
        prograd.plan(prograd.Network.from_config(affine(2), 3)).seconds  # noqa: B018  (worked out when asked for)


def test_rates_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv(calibration.FILE, str(tmp_path / "none.json"))
    with pytest.raises(OptionError, match=r"none\.json: expected a file of rates: No such file"):
        prograd.plan(prograd.Network.from_config(affine(2), 3)).seconds  # noqa: B018  (worked out when asked for)


def run(*arguments):
    return CliRunner().invoke(main, ["plan", *arguments])


def test_the_command():
    arguments = ["--n-in", "8", "-l", "affine width=4 bias=false", "-l", "tanh", "-l", "affine width=2", "--batch", "7"]
    result = run(*arguments)
    assert result.exit_code == 0
    for word in ("8 → affine → 4", "7 samples", "reverse", "forward", "peak bytes", "(q "):
        assert word in result.output
    content = json.loads(run(*arguments, "--wrt", "input", "--json").output)
    assert content["outputs"] == "jacobian"
    assert set(content["modes"]) == set(prograd.MODES)


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
        (["--network", "nowhere.yaml"], 1, "nowhere.yaml: can't be read"),
        (["-l", "tanh", "--n-in", "3", "--rates", "nowhere.json"], 1, "nowhere.json: expected a file of rates"),
    ],
)
def test_what_the_command_refuses(arguments, code, message):
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list of layers"),
        ("- {width: 3}", "layers[0]: expected a name"),
        ("[", "expected JSON or YAML"),
    ],
)
def test_files_that_hold_no_network(tmp_path, text, message):
    (tmp_path / "network.yaml").write_text(text)
    result = run("--network", str(tmp_path / "network.yaml"), "--n-in", "3")
    assert result.exit_code == 1
    assert message in result.output
