"""Duration of a block of code, and the peak memory of the process during it. Without torch."""

import contextlib
import dataclasses
import threading
import time

import psutil

SAMPLE_EVERY_S = 0.05


@dataclasses.dataclass
class Measurement:
    """Seconds that a block took, and the peak memory of the whole process; filled in when the block ends."""

    duration_s: float = 0.0
    peak_memory_mib: float = 0.0


@contextlib.contextmanager
def measured():
    """Measure a block.

    >>> with measured() as measurement:
    ...     numbers = list(range(1000))
    >>> measurement.duration_s > 0 and measurement.peak_memory_mib > 5
    True
    """
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
