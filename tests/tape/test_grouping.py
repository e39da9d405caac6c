"""Into which blocks instructions are cut."""

from __future__ import annotations

import numpy as np

from prograd.arrays import Array
from prograd.tape.tape import record

DOUBLE = np.dtype(float)


def test_a_block_has_many_rows_where_short_ones_go_into_long_rows_of_a_result() -> None:
    n, m = 4096, 16

    def outer_products(z: Array, q: Array, p: Array) -> None:
        slope = 1 + z * z
        np.multiply((q * slope)[:, :, None], z[:, None, :], out=p[:, m : m + m * m].reshape(n, m, m))

    tape = record(outer_products, [((n, m), DOUBLE)] * 2, [((n, 5 * m * m), DOUBLE)])
    (group,) = tape.groups
    assert (len(group.instructions), group.extent, group.blocks) == (4, n, 32)


def test_a_block_of_long_rows_is_small() -> None:
    n, m = 64, 256

    def outer_products(z: Array, q: Array, p: Array) -> None:
        np.multiply((2 * q)[:, :, None], z[:, None, :], out=p)

    tape = record(outer_products, [((n, m), DOUBLE)] * 2, [((n, m, m), DOUBLE)])
    (group,) = tape.groups
    assert group.blocks == n
