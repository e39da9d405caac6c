"""The steps of a tape, the rates of the machine, and the seconds that both predict."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import scipy.sparse
from click.testing import CliRunner

import prograd
from prograd.commands.group import main
from prograd.errors import OptionError
from prograd.operators.nonzeros import nonzeros_into, nonzeros_times
from prograd.operators.sparse import rows_times
from prograd.planning import bench, calibration
from prograd.planning.rates import AROUND, Rates
from prograd.planning.steps import Kind, Step, each, steps_of
from prograd.planning.tables import Table
from prograd.tape.tape import record

DOUBLE = np.dtype(float)
ADD = Kind("add", np.add, np.add.types.index("dd->d"), "ddd", "ccc")
FREE = Table(((1.0,),), (1e-18,))


def rates(**changes):
    """Rates of a machine on which an addition takes a nanosecond for each entry."""
    tables = {str(ADD): Table(((1.0, 1000.0),), (1e-9, 1e-6))}
    small = dict.fromkeys(("run", "instruction", "call", "numpy", "off", "measured"), 1e-18)
    return Rates(**({"tables": tables, "read": FREE, "write": FREE} | small | changes))


def gradient(depth, width, samples, mode="reverse"):
    layers = [{"name": "affine", "width": width}, {"name": "tanh"}] * depth + [{"name": "affine", "width": 3}]
    net = prograd.Network.from_config(layers, width)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((samples, width)), np.zeros((samples, 3)))
    return f.tape(mode)


def only(function, *shapes):
    """The steps of a function that writes to its last argument."""
    *inputs, output = [(shape, DOUBLE) for shape in shapes]
    return [step for step, _ in each(record(function, inputs, [output]))]


def test_tables_are_linear_between_points():
    table = Table(((1.0, 3.0), (10.0, 20.0)), (1.0, 2.0, 3.0, 4.0))
    assert table.at(1, 10) == 1.0
    assert table.at(3, 20) == 4.0
    assert table.at(2, 15) == 2.5
    assert table.at(0.5, 5) == 1.0  # as at the edge
    assert table.at(5, 20) == 6.0  # as from 1 to 3
    assert Table(((8.0,),), (2.0,)).at(16) == 4.0
    three = Table(((1.0, 2.0), (1.0, 2.0), (1.0, 2.0)), (1.0,) * 7 + (8.0,))
    assert three.at(4, 4, 4) == 64.0  # twice the size three times


@pytest.mark.parametrize(
    ("function", "shapes", "pattern", "sizes"),
    [
        (lambda a, b, to: np.matmul(a, b, out=to), [(3, 4), (4, 5), (3, 5)], "gemm", (3, 4, 5)),
        (lambda a, b, to: np.matmul(a, b.T, out=to), [(3, 4), (5, 4), (3, 5)], "gemm-t", (3, 4, 5)),
        (lambda a, b, to: np.matmul(a, b, out=to), [(3, 4), (4, 1), (3, 1)], "rows", (3, 4)),
        (lambda a, b, to: np.matmul(a, b, out=to), [(1, 4), (4, 5), (1, 5)], "columns", (5, 4)),
        (lambda a, b, to: np.matmul(a, b.T, out=to), [(1, 4), (5, 4), (1, 5)], "rows", (5, 4)),
        (lambda a, b, to: np.matmul(a, b, out=to), [(3, 1), (1, 5), (3, 5)], "outer", (3, 5)),
        (lambda a, b, to: np.matmul(a, b, out=to), [(1, 4), (4, 1), (1, 1)], "dot", (4,)),
        (lambda a, b, to: np.matmul(a[:, ::2], b, out=to), [(3, 8), (4, 5), (3, 5)], "naive", (3, 4, 5)),
        (lambda a, b, to: np.add(a, b, out=to), [(3, 4), (3, 4), (3, 4)], "ccc", (12,)),
        (lambda a, b, to: np.add(a, b[:, None], out=to), [(3, 4), (3,), (3, 4)], "c0c", (3, 4)),
        (lambda a, b, to: np.divide(a[::3], b, out=to), [(12,), (4,), (4,)], "scc", (4,)),
        (lambda a, b, to: np.divide(a[::24], b, out=to), [(96,), (4,), (4,)], "fcc", (4, 64)),
    ],
)
def test_the_kind_of_a_loop(function, shapes, pattern, sizes):
    (step,) = only(function, *shapes)
    assert (step.kind.pattern, step.sizes, step.calls) == (pattern, sizes, 1)


def test_a_sparse_matrix():
    matrix = scipy.sparse.csr_array(np.eye(4, 6))
    (step,) = (s for s in only(lambda v, to: np.copyto(to, rows_times(v, matrix)), (9, 6), (9, 4)) if len(s.sizes) > 1)
    assert (step.kind.pattern, step.sizes, step.calls) == ("sparse", (9, 4), 1)
    assert 0 < rates().seconds([step], "c") < rates().seconds([dataclasses.replace(step, sizes=(900, 400))], "c")


def test_the_nonzeros_of_a_matrix():
    def into(q, z, to):
        nonzeros_into(q, z, to)

    products = [
        only(lambda z, W, to: np.copyto(to, nonzeros_times(z, W)), (9, 6), (4, 6), (9, 4)),
        only(into, (9, 4), (9, 6), (4, 6)),
    ]
    for steps in products:
        (step,) = (s for s in steps if s.kind.pattern == "nonzeros")
        assert (step.sizes, step.calls) == ((9, 6, 4), 1)
        assert 0 < rates().seconds([step], "c") < rates().seconds([dataclasses.replace(step, sizes=(900, 600, 4))], "c")


def test_a_loop_of_the_machine_by_rows():
    (step,) = only(lambda a, to: np.copyto(to, a[:, 1:]), (50, 9), (50, 8))
    assert (step.kind.name, step.sizes, step.calls) == ("rows_copy8", (50, 8), 1)


def test_loops_that_are_called_several_times():
    (step,) = only(lambda a, b, to: np.divide(a[:, :4], b[:, :4], out=to[:, :4]), (3, 5), (3, 5), (3, 5))
    assert (step.sizes, step.calls) == ((4,), 3)
    (step,) = only(lambda a, b, to: np.matmul(a, b, out=to), (7, 3, 4), (7, 4, 5), (7, 3, 5))
    assert (step.kind.pattern, step.sizes, step.calls) == ("stacked-gemm", (3, 4, 5), 7)


def test_what_moves_depends_on_what_was_touched_since():
    def twice(a, to):
        np.exp(a, out=to)
        np.exp(a, out=to)

    near = only(twice, (10,), (10,))
    assert [step.traffic for step in near] == [(), ()]
    first, second = only(twice, (2**20,), (2**20,))
    assert {(written, size) for written, _, size in first.traffic} == {(False, 2**23), (True, 2**23)}
    assert [away for _, away, _ in first.traffic] == [2**24, 2**24]  # the replay before touched both
    assert second.traffic == ()  # block by block, after the first


def test_equal_instructions_are_one_step():
    tape = gradient(4, 8, 2)
    steps = steps_of(tape)
    assert sum(step.times for step in steps) == len(tape.instructions)
    assert len(steps) < len(tape.instructions)
    tape.instructions[0].times = 10
    assert sum(step.times for step in steps_of(tape)) == len(tape.instructions) + 9


def test_seconds_add_up():
    step = Step(ADD, (100,), 3, ((False, 2**20, 800),), blocks=4, times=2)
    assert rates().seconds([step], "c") == pytest.approx(6e-7)
    assert rates(run=1.0).seconds([step], "c") == pytest.approx(1.0)
    assert rates(call=-5e-8).seconds([step], "c") == pytest.approx(3e-7)  # a call may be faster than an instruction
    assert rates(call=1e-6).seconds([step], "c") == pytest.approx(6.6e-6)
    assert rates(instruction=1e-6).seconds([step], "c") == pytest.approx(2.6e-6)
    assert rates(read=Table(((2.0**20,),), (1e-9,))).seconds([step], "c") == pytest.approx(6e-7 + 1.6e-6)
    assert rates(write=Table(((2.0**20,),), (1e-9,))).seconds([step], "c") == pytest.approx(6e-7)
    assert rates().seconds([step], "c", threads=2) == pytest.approx(3e-7)
    assert rates().seconds([step], "c", threads=64) == pytest.approx(1.5e-7)  # there are four blocks
    assert rates(numpy=1e-6).seconds([step], "numpy", threads=2) == pytest.approx(2.6e-6 + AROUND * 1e-6)
    assert rates(off=1e-6).seconds([step], "off") == pytest.approx(2.6e-6)


@pytest.fixture(scope="module")
def measured():
    return calibration.calibrate()[0]


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["c", "numpy", "off"])
def test_predictions_grow_with_depth_width_and_samples(measured, machine):
    def seconds(depth, width, samples):
        return measured.seconds(steps_of(gradient(depth, width, samples)), machine)

    for small, large in [((1, 8, 4), (8, 8, 4)), ((2, 8, 64), (2, 256, 64)), ((2, 32, 4), (2, 32, 2000))]:
        assert 0 < seconds(*small) < seconds(*large)


@pytest.mark.slow
def test_rates_go_through_json(measured, tmp_path):
    path = tmp_path / "rates.json"
    calibration.write(path, measured)
    again = calibration.read(path)
    assert dataclasses.asdict(again) == dataclasses.asdict(measured)
    assert Rates.from_json(again.as_json()).as_json() == again.as_json()


def test_a_loop_that_no_calibration_knows_is_measured_once():
    kind = Kind("hypot", np.hypot, np.hypot.types.index("dd->d"), "ddd", "ccc")
    step = Step(kind, (1000,), 1)
    assert rates().seconds([step], "c") == rates().seconds([step], "c") > 0
    assert bench.table(kind) is bench.table(kind)
    assert rates().seconds([step], "c") < rates().seconds([dataclasses.replace(step, sizes=(10**6,))], "c")


class Clock:
    """A clock that the calls themselves set."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def call(self, *seconds):
        """A call that takes these seconds in turn, the last for ever."""
        left = itertools.chain(seconds, itertools.repeat(seconds[-1]))

        def run():
            self.now += next(left)

        return run


def test_the_shortest_time_that_another_round_confirms():
    clock = Clock()
    steady, slow_at_first = clock.call(1.0), clock.call(9.0, 9.0, 9.0, 9.0, 9.0, 2.0)
    assert bench.quickest([steady, slow_at_first], clock) == ([1.0, 2.0], True)


def test_a_machine_that_is_never_quiet():
    clock = Clock()
    growing = clock.call(*(2.0**k for k in range(100)))
    _, quiet = bench.quickest([clock.call(1.0), growing], clock)
    assert not quiet


def made(monkeypatch, tmp_path, found):
    """Calibrations give `found` and their number; files are in a directory of their own."""
    count = []
    monkeypatch.delenv(calibration.FILE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration.sys, "platform", "linux")
    monkeypatch.setattr(calibration, "calibrate", lambda: count.append(1) or found)
    return count


def again():
    calibration.rates_of.cache_clear()
    return calibration.machine_rates()


@pytest.fixture(autouse=True)
def forget():
    yield
    calibration.rates_of.cache_clear()


def test_rates_are_kept_and_damaged_files_replaced(monkeypatch, tmp_path):
    count = made(monkeypatch, tmp_path, (rates(), True))
    assert str(again()) == str(again()) == str(rates())
    assert len(count) == 1
    (path,) = (tmp_path / "prograd").iterdir()
    for broken in ("", "{", "[]", '{"schema": "prograd.rates/1"}', path.read_text().replace("call", "cell")):
        path.write_text(broken)
        again()
        assert str(calibration.read(path)) == str(rates())
    assert len(count) == 6
    path.unlink()
    (tmp_path / "prograd").rmdir()
    (tmp_path / "prograd").write_text("in the way")  # as good as a home that can't be written to
    assert str(again()) == str(rates())


def test_rates_of_a_busy_machine_are_not_kept(monkeypatch, tmp_path):
    count = made(monkeypatch, tmp_path, (rates(), False))
    assert str(again()) == str(again()) == str(rates())
    assert len(count) == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema": "prograd.rates/1"}, "schema"),
        ({"run": -1}, "run: expected a positive number, got -1"),
        ({"call": "slow"}, "call: expected a number, got 'slow'"),
        ({"off": None}, "off: expected a positive number, got None"),
        ({"tables": []}, "tables: expected a table for each kind"),
        ({"tables": {"tanh": {"axes": [[2, 1]], "seconds": [1, 1]}}}, "tanh: expected growing sizes"),
        ({"read": {"axes": [[1, 2]], "seconds": [1]}}, "read: expected growing sizes and the seconds for each"),
        ({"write": {"axes": [[1, 2]], "seconds": [1, -1]}}, "write: expected growing sizes"),
        ({"write": 3}, "write: expected growing sizes"),
    ],
)
def test_rates_of_ones_own_are_checked(change, match, monkeypatch, tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(rates().as_json() | change))
    monkeypatch.setenv(calibration.FILE, str(path))
    with pytest.raises(OptionError, match=rf"rates.json: .*{match}"):
        again()


def test_rates_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv(calibration.FILE, str(tmp_path / "none.json"))
    with pytest.raises(OptionError, match=r"none\.json: expected a file of rates: No such file"):
        again()


def test_the_command_says_how_old_the_rates_are_and_measures_them_again(monkeypatch, tmp_path):
    count = made(monkeypatch, tmp_path, (rates(), True))
    arguments = ["plan", "--n-in", "2", "-l", "tanh"]
    for expected, options in [(1, []), (1, []), (2, ["--recalibrate"]), (2, ["--json"])]:
        output = CliRunner().invoke(main, [*arguments, *options]).output
        assert ("--recalibrate measures them again" in output) == ("--json" not in options)
        assert len(count) == expected
    path = tmp_path / "rates.json"
    calibration.write(path, rates())
    assert "recalibrate" not in CliRunner().invoke(main, [*arguments, "--rates", str(path)]).output
    refused = CliRunner().invoke(main, [*arguments, "--rates", str(path), "--recalibrate"])
    assert "--rates and --recalibrate exclude each other" in refused.output


@pytest.mark.parametrize(("days", "when"), [(0.2, "today"), (1.5, "yesterday"), (3.1, "3 days ago")])
def test_the_age_of_rates(days, when):
    old = rates(measured=1e9)
    assert calibration.age(old, 1e9 + days * 86400) == f"rates measured {when}; --recalibrate measures them again"
