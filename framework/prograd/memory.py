"""Freed arrays stay with the process, so that the next evaluation does not have their pages given to it anew."""

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
    """Tells glibc's allocator to keep what is freed, once a process; returns whether it does.

    By default each array above some size is mapped when it is made and given back when it is freed. Every gradient
    makes and frees the same arrays, and having the kernel clear their pages each time can take longer than the
    arithmetic. Memory that is freed stays with the process, up to the most that it has used at one time.
    `PROGRAD_KEEP_MEMORY=0` leaves the allocator alone; other C libraries have no such setting, and nothing happens.
    """
    if os.environ.get(KEEP, "1") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc: macOS, musl, Windows
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, LARGEST))
