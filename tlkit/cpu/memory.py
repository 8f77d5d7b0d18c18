"""What a training step frees is kept for the next one, where the C library would give it back to the system."""

import contextlib
import ctypes
import functools
import os
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in glibc's malloc.h
_KEPT, _LARGEST_BLOCK = 2**30, 2**30  # bytes
# As far as glibc raises both by itself where nobody sets anything; older releases refuse a larger block.
_OWN_KEPT, _OWN_LARGEST_BLOCK = 2**26, 2**25
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


@contextlib.contextmanager
def freed_memory_kept():
    """Let the process keep up to 1 GiB that was freed, until this ends; then all that is free goes back.

    A step makes the same hundreds of arrays as the one before. glibc returns large ones to the system as soon as they
    are freed, and every page is cleared and handed out anew: a third to a half of a step's time on a CPU was seen to go
    there. Does nothing with another C library, nor where the user has set how memory is kept.
    """
    library = _find_library()
    if library is None or any(name in os.environ for name in _SET_BY_USER):
        yield
        return
    if not library.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK):
        library.mallopt(_MMAP_THRESHOLD, _OWN_LARGEST_BLOCK)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _OWN_LARGEST_BLOCK)
        library.mallopt(_TRIM_THRESHOLD, _OWN_KEPT)
        library.malloc_trim(0)


@functools.cache
def _find_library():
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
