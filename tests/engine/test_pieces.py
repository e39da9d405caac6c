"""Jacobians block by block: those of a call for all of it, within a number of bytes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import prograd
from prograd.errors import OptionError, ShapeError, UnknownNameError

N, WIDTH = 8, 40
NET = prograd.Network([prograd.layer("affine", width=WIDTH), prograd.layer("tanh")] * 2, n_in=WIDTH)
SAMPLE = WIDTH * NET.size * 8  # bytes of the Jacobian of one sample
W, X = NET.init(0), np.random.default_rng(0).normal(size=(N, WIDTH))


@pytest.mark.parametrize("share", [30 * N, 3, 0.7, 0.2])
@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_blocks_are_parts_of_the_whole(share, mode):
    whole = prograd.jacobian(NET, W, X)
    found = np.full_like(whole, np.nan)
    sizes = []
    for samples, outputs, J in prograd.jacobian_blocks(NET, W, X, mode=mode, max_bytes=int(share * SAMPLE)):
        assert J.nbytes <= share * SAMPLE
        assert np.isnan(found[samples, outputs]).all()  # no entry comes twice
        found[samples, outputs] = J
        sizes.append(J.shape[:2])
    np.testing.assert_allclose(found, whole, rtol=1e-10, atol=1e-14)
    many, few = max(sizes)
    assert (many, few) == (N, WIDTH) if share > N else many > 1 if share > 2 else many == 1 and few < WIDTH


def test_by_some_of_the_parameters():
    whole = prograd.jacobian(NET, W, X)[:, :, NET.entries([-2])]
    for max_bytes in (whole.nbytes, whole[0].nbytes // 2):  # the second takes some outputs at a time
        found = np.full_like(whole, np.nan)
        for samples, outputs, J in prograd.jacobian_blocks(NET, W, X, [-2], max_bytes=max_bytes):
            found[samples, outputs] = J
        np.testing.assert_allclose(found, whole, rtol=1e-10, atol=1e-14)


def test_by_input_and_for_one_sample():
    blocks = list(prograd.jacobian_blocks(NET, W, X[0], "input", max_bytes=2**17))
    whole = prograd.jacobian(NET, W, X[0], "input")
    np.testing.assert_allclose(np.concatenate([J[0] for *_, J in blocks]), whole, rtol=1e-10, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("share", [3, 0.3])
def test_no_block_takes_more_than_allowed(share):
    allowed = int(share * SAMPLE)
    blocks = prograd.jacobian_blocks(NET, W, X, mode="reverse", max_bytes=allowed)
    peaks = []
    tracemalloc.start()
    for *_, J in blocks:
        del J
        before, peak = tracemalloc.get_traced_memory()
        peaks.append(peak - before)
        tracemalloc.reset_peak()
    tracemalloc.stop()
    assert len(peaks) >= 4
    assert max(peaks[-2:]) <= allowed  # by then all is planned and recorded


def test_a_row_that_does_not_fit():
    with pytest.raises(OptionError, match="max_bytes: expected at least"):
        list(prograd.jacobian_blocks(NET, W, X, max_bytes=1000))


def test_bad_input():
    with pytest.raises(UnknownNameError):
        next(prograd.jacobian_blocks(NET, W, X, "weights", max_bytes=2**30))
    with pytest.raises(UnknownNameError):
        next(prograd.jacobian_blocks(NET, W, X, mode="sideways", max_bytes=2**30))
    with pytest.raises(ShapeError):
        next(prograd.jacobian_blocks(NET, W[1:], X, max_bytes=2**30))
