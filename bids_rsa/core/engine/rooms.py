"""Memory that kernels work in."""

import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

_CACHE_LINE = 8  # doubles
_LARGE = 2**18  # bytes
_HUGE_PAGE = 2**21


def make_room(n: int) -> NDArray[np.float64]:
    """Make an array of so many doubles, all 0, that begins where a line of the cache does.

    Large ones lie in huge pages where the system has them, as the first access to each page of
    4 KB takes microseconds.
    """
    if 8 * n >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # numpy says what is lacking
            return _in_huge_pages(n)
    room = np.zeros(n + _CACHE_LINE)
    return room[-room.ctypes.data % (8 * _CACHE_LINE) // 8 :][:n]


def _in_huge_pages(n: int) -> NDArray[np.float64]:
    """Map memory that belongs to the array alone, and ask for huge pages."""
    size = -(-8 * n // _HUGE_PAGE) * _HUGE_PAGE
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.float64)[:n]
