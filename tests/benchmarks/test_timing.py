"""Taking turns: who is called when, how long a sample is, and what is made of samples. The clock is the test's own."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from prograd import units
from prograd_benchmarks import timing


class Clock:
    """Moves only when an action says how long it took."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def action(self, name: str, seconds: float) -> Callable[[], None]:
        def act() -> None:
            self.now += seconds
            self.calls.append(name)

        return act


def test_actions_take_turns_in_alternating_order() -> None:
    clock = Clock()
    actions = {"a": clock.action("a", 2.0), "b": clock.action("b", 1.0)}

    turns = timing.take_turns(actions, repeats=4, least_seconds=1.0, max_seconds=1e9, clock=clock)

    assert turns.timings == {"a": [2.0] * 4, "b": [1.0] * 4}
    assert "".join(clock.calls[-8:]) == "abbaabba"


def test_a_sample_lasts_long_enough_and_counts_one_call() -> None:
    clock = Clock()
    actions = {"slow": clock.action("slow", 1.0), "quick": clock.action("quick", 1e-4)}

    turns = timing.take_turns(actions, repeats=3, least_seconds=0.01, max_seconds=1e9, clock=clock)

    assert turns.inner["slow"] == 1
    assert turns.inner["quick"] * 1e-4 >= 0.01
    assert turns.inner["quick"] <= 200
    assert turns.timings["quick"] == pytest.approx([1e-4] * 3)


def test_an_interruption_makes_no_sample_too_short() -> None:
    waits = iter([0.0, 5.0])  # the second timing is interrupted

    inner = timing.calibrated(lambda times: times * 1e-4 + next(waits, 0.0), 0.01)

    assert inner * 1e-4 >= 0.01


def test_warm_up_is_not_a_sample() -> None:
    clock = Clock()
    first = iter([100.0, 50.0])

    def act() -> None:
        clock.now += next(first, 1.0)

    turns = timing.take_turns({"a": act}, repeats=5, least_seconds=0.5, max_seconds=1e9, clock=clock)

    assert turns.timings["a"] == [1.0] * 5


def test_fewer_samples_when_time_is_short_but_never_fewer_than_three() -> None:
    clock = Clock()

    short = timing.take_turns({"a": clock.action("a", 1.0)}, repeats=99, least_seconds=0.1, max_seconds=10, clock=clock)
    none = timing.take_turns({"a": clock.action("a", 1.0)}, repeats=99, least_seconds=0.1, max_seconds=0.1, clock=clock)

    assert len(short.timings["a"]) == 10
    assert len(none.timings["a"]) == timing.LEAST_TIMINGS


def test_no_garbage_is_collected_while_timing_and_it_is_again_afterwards() -> None:
    states: list[bool] = []
    timing.take_turns({"a": lambda: states.append(gc.isenabled())}, repeats=3, least_seconds=1e-9, max_seconds=9)
    assert states[-3:] == [False] * 3
    assert gc.isenabled()


def test_an_action_that_raises_leaves_the_collector_on() -> None:
    clock, calls = Clock(), []

    def act() -> None:
        clock.now += 1.0
        calls.append(1)
        if len(calls) > timing.WARM_UP_CALLS + 2:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        timing.take_turns({"a": act}, repeats=9, least_seconds=0.1, max_seconds=99, clock=clock)
    assert gc.isenabled()


def test_statistics_of_samples() -> None:
    assert timing.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
    assert timing.interquartile_range([1.0, 2.0, 3.0, 4.0, 5.0]) == 2.0
    assert timing.interquartile_range([1.0]) == 0.0
    assert timing.paired_ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00213, "2.13 ms"),
        (1.5, "1.50 s"),
        (9.996e-4, "1.00 ms"),
        (3.21e-7, "321 ns"),
        (0.0, "0 ns"),
        (123.4, "123 s"),
    ],
)
def test_seconds_read_well(value: float, text: str) -> None:
    assert units.seconds(value) == text


def test_a_spread_is_written_like_its_median() -> None:
    assert units.seconds(0.0000041, like=0.00213) == "0.00"
    assert units.seconds(0.00004, like=0.0213) == "0.0"
    assert units.seconds(0.0016, like=0.1) == "2"


@pytest.mark.parametrize(("value", "text"), [(680, "680"), (51860, "51.9 k"), (384e6, "384 M"), (999_999, "1.00 M")])
def test_counts_read_well(value: float, text: str) -> None:
    assert units.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(2.271, "2.27×"), (96.46, "96.5×"), (6989.0, "6989×"), (0.1234, "0.123×")])
def test_factors_read_well(value: float, text: str) -> None:
    assert units.factor(value) == text
