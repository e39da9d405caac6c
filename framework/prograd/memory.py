"""Freed arrays stay with the process, so that the next evaluation does not have to page in fresh memory."""

from __future__ import annotations

import ctypes
import os
from functools import cache

KEEP = "PROGRAD_KEEP_MEMORY"

# The parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
LARGEST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Tells glibc's allocator, once for the process, to keep freed memory; returns whether it does.

    By default glibc maps every large array when it is made and unmaps it when it is freed. Every gradient makes and
    frees the same arrays, and the kernel can take longer to clear their pages than the arithmetic takes. Freed memory
    stays with the process, up to the most that it has used at once. `PROGRAD_KEEP_MEMORY=0` leaves the allocator alone;
    with other C libraries nothing happens.
    """
    if os.environ.get(KEEP, "1") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc: macOS, musl, Windows
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, LARGEST))
