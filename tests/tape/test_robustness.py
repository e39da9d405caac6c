"""What a replay must survive: wrong arrays, loops that raise, results that nobody writes, and memory far away."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import prograd
from prograd.errors import NotRecordable
from prograd.tape import machine
from prograd.tape.recorder import Recorder
from prograd.tape.replay import Tapes
from prograd.tape.tape import Tape, record

MACHINES = [name for name in ("c", "numpy") if name != "c" or machine.available()]
D = np.dtype(np.float64)


def test_entries_far_from_the_start_are_not_read() -> None:
    a = Recorder().input((10**7,), D)
    assert a[9_999_999].view.offset == 8 * 9_999_999
    assert np.max(a[10**6 :]).shape == ()


@pytest.mark.parametrize("used", MACHINES)
def test_memory_that_later_blocks_read_is_not_written_over(used: str) -> None:
    """The right factor of a product is read by every block of its rows."""
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=(512, 512)).astype(np.float32) / 20 for _ in range(2))

    def product(x: Any, w: Any, y: Any) -> None:
        y[...] = np.tanh(x @ np.exp(w)) * 2

    tapes, y, expected = Tapes(), np.empty_like(x), np.empty_like(x)
    product(x, w, expected)
    with machine.using(used):
        for _ in range(4):
            y[...] = 0
            tapes.call("product", product, (x, w), (y,))
            np.testing.assert_allclose(y, expected, atol=1e-4)
    assert len(tapes) == 1


@pytest.mark.parametrize("used", MACHINES)
def test_a_result_that_a_tape_leaves_out_is_found(used: str) -> None:
    def elsewhere(x: Any, y: Any) -> None:
        if isinstance(y, np.ndarray):
            y[...] = x

    tapes, x, y = Tapes(), np.ones(3), np.empty(3)
    with machine.using(used):
        for k in range(4):
            x[...] = k
            tapes.call("elsewhere", elsewhere, (x,), (y,))
            np.testing.assert_array_equal(y, k)
    assert len(tapes) == 0


@pytest.mark.parametrize("used", MACHINES)
def test_numbers_of_numpys_own_that_change_in_a_recording(used: str) -> None:
    def scaled(x: Any, y: Any) -> None:
        c = np.ones(4)
        a = x * c
        c *= 2
        y[...] = np.where(x > 0, a, x * c)

    tapes, x, y = Tapes(), -np.ones(4), np.empty(4)
    with machine.using(used):
        for sign in (-1, -1, -1, 1):
            x[...] = sign
            tapes.call("scaled", scaled, (x,), (y,))
            np.testing.assert_array_equal(y, 1 if sign > 0 else -2)


def test_loops_that_raise_are_not_recorded() -> None:
    def powers(x: Any, y: Any) -> None:
        y[...] = np.power(2, np.where(x > 0, 1, -1))

    with pytest.raises(NotRecordable, match="integers to a power"):
        record(powers, [((3,), D)], [((3,), D)])


def tape() -> Tape:
    return record(lambda x, y: y.__setitem__(..., 2 * x), [((10**5,), D)], [((10**5,), D)])


@pytest.mark.skipif(not machine.available(), reason="no compiled machine")
def test_arrays_of_another_size_or_layout_are_refused() -> None:
    whole, read_only = np.zeros(10**5), np.zeros(10**5)
    read_only.flags.writeable = False
    for x, y in ((np.ones(1), whole), (whole, np.zeros(1)), (np.zeros(2 * 10**5)[::2], whole), (whole, read_only)):
        with pytest.raises(ValueError, match="expected a contiguous array of 800000 bytes"):
            tape().replay([x, y])


@pytest.mark.parametrize("used", MACHINES)
def test_samples_that_change_their_size(used: str) -> None:
    net = prograd.Network([prograd.layer("affine", width=1)], 2)
    x = np.ones((200, 2))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, np.ones((200, 1)))
    w = net.init(0)
    with machine.using(used):
        for _ in range(3):
            f.gradient(w)
        f._x.resize((20, 2), refcheck=False)  # noqa: SLF001  (what x.resize does to the objective's own)
        with pytest.raises(ValueError, match=r"broadcast|shape|size|mismatch"):
            f.gradient(w)


def test_a_limit_holds_after_calls_without_one() -> None:
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 32}, {"name": "gelu"}, {"name": "affine", "width": 1}], 8
    )
    x = np.ones((20_000, 8))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, np.ones((20_000, 1)))
    w, limit = net.init(0), 37_000_000
    for _ in range(3):
        expected = f.gradient(w)
    for _ in range(3):
        np.testing.assert_allclose(f.gradient(w, max_bytes=limit), expected)
    for key, ready in f._tapes._ready.items():  # noqa: SLF001  (what the tapes take)
        assert key[0][1] is None or ready.scratch_bytes <= limit  # type: ignore[index]


def test_what_cannot_be_recorded_keeps_no_arrays() -> None:
    def asking(x: Any, y: Any) -> None:
        y[...] = float(x[0])

    tapes, x = Tapes(), np.ones(3)

    def calls() -> weakref.ref[Any]:
        y = np.empty(3)
        for _ in range(2):
            tapes.call("asking", asking, (x,), (y,))
        return weakref.ref(y)

    left = calls()
    gc.collect()
    assert tapes.reason("asking") is not None
    assert left() is None


def test_a_recording_leaves_the_search_for_cycles_as_it_was() -> None:
    def recorded(change: Any) -> None:
        record(lambda a, out: np.copyto(out, change(a)), [((2,), np.dtype(float))], [((2,), np.dtype(float))])

    recorded(np.tanh)
    assert gc.isenabled()
    with pytest.raises(NotRecordable):
        recorded(lambda a: float(a[0]))
    assert gc.isenabled()
    gc.disable()
    try:
        recorded(np.tanh)
        assert not gc.isenabled()
    finally:
        gc.enable()
