"""Keep memory that one training step frees for the next, instead of returning it to the system. Without torch."""

import contextlib
import ctypes
import functools
import os
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h
_KEPT_BYTES, _MAX_BLOCK_BYTES = 2**30, 2**30
# glibc raises both thresholds up to these values by itself; older releases refuse a larger block.
_DEFAULT_KEPT_BYTES, _DEFAULT_MAX_BLOCK_BYTES = 2**26, 2**25
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


@contextlib.contextmanager
def freed_memory_kept():
    """Let the process keep up to 1 GiB of freed memory within a block; afterwards all of it is returned."""
    # A step allocates the same hundreds of arrays as the step before. glibc maps large arrays one by one and unmaps
    # them when they are freed, so the system clears every page anew: a third to half of a step's time on a CPU.
    # With higher thresholds they come from the heap and stay there. Other C libraries, and settings of the user, are
    # left alone.
    library = _find_glibc()
    if library is None or any(name in os.environ for name in _SET_BY_USER):
        yield
        return
    if not library.mallopt(_MMAP_THRESHOLD, _MAX_BLOCK_BYTES):
        library.mallopt(_MMAP_THRESHOLD, _DEFAULT_MAX_BLOCK_BYTES)
    library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _DEFAULT_MAX_BLOCK_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT_KEPT_BYTES)
        library.malloc_trim(0)


@functools.cache
def _find_glibc():
    """Return the C library of this process, or None if it isn't glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
