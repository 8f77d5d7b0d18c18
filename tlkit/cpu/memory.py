"""Memory of the process: its peak during a block, and memory that a step keeps for the next one. Without torch."""

import contextlib
import ctypes
import dataclasses
import functools
import os
import platform
import threading
import time

import psutil

SAMPLE_EVERY_S = 0.05
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h
_KEPT_BYTES, _MAX_BLOCK_BYTES = 2**30, 2**30
# glibc raises both thresholds up to these values by itself; older releases refuse a larger block.
_DEFAULT_KEPT_BYTES, _DEFAULT_MAX_BLOCK_BYTES = 2**26, 2**25
_SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


@dataclasses.dataclass
class Measurement:
    """Seconds that a block took, and the peak memory of the whole process; filled in when the block ends."""

    duration_s: float = 0.0
    peak_memory_mib: float = 0.0


@contextlib.contextmanager
def measured():
    """Give a `Measurement` of a block."""
    process, done, result = psutil.Process(), threading.Event(), Measurement()
    peak = process.memory_info().rss

    # A thread samples the memory, since the system keeps only one peak since the start of the process.
    def watch():
        nonlocal peak
        while not done.wait(SAMPLE_EVERY_S):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    start = time.perf_counter()
    thread.start()
    try:
        yield result
    finally:
        done.set()
        thread.join()
        result.duration_s = time.perf_counter() - start
        result.peak_memory_mib = max(peak, process.memory_info().rss) / 2**20


@contextlib.contextmanager
def freed_memory_kept():
    """Let the process keep up to 1 GiB of freed memory within a block; afterwards all of it is returned."""
    # glibc unmaps large arrays when they are freed, so the system clears every page anew in the next step: a third to
    # half of its time on a CPU. With higher thresholds they stay in the heap. Settings of the user are left alone.
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
