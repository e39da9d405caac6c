"""Python's garbage collector, off for a while."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """No collection within the block, or within the function that this decorates.

    It would fall into the time of whatever is just being measured; and where a large amount of data is built up and
    nothing of it can be garbage, going through it again and again takes a third of the time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
