"""Time and memory of a measured block."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from tlkit.cpu.memory import measured

MIB = 2**20


def test_memory_held_in_the_block_is_seen_and_what_was_there_before_counts_too():
    with measured() as before:
        pass
    with measured() as measurement:
        held = np.ones(100 * MIB, dtype=np.uint8)
    assert before.peak_memory_mib > 5
    assert measurement.peak_memory_mib > before.peak_memory_mib + 95
    assert held[-1] == 1


def test_a_peak_between_start_and_end_is_seen(monkeypatch):
    looked, sizes_mib = threading.Event(), iter([10, 300])

    def memory_info():
        size_mib = next(sizes_mib, 20)
        if size_mib == 20:
            looked.set()
        return SimpleNamespace(rss=size_mib * MIB)

    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=memory_info))
    with measured() as measurement:
        assert looked.wait(10)
    assert measurement.peak_memory_mib == 300


def test_the_duration_is_that_of_the_block(monkeypatch):
    clock = iter([100.0, 103.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    with measured() as measurement:
        pass
    assert measurement.duration_s == 3.5


def test_a_block_that_fails_is_measured_and_watched_no_longer():
    n_threads = threading.active_count()
    with pytest.raises(KeyError), measured() as measurement:
        raise KeyError("a fault")
    assert measurement.duration_s > 0
    assert measurement.peak_memory_mib > 5
    assert threading.active_count() == n_threads
