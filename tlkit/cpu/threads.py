"""States that belong to one thread, and OpenMP threads that are idle. Without torch, unless it is loaded already."""

import contextlib
import ctypes
import os
import re
import sys
import threading
import warnings

import numpy as np
from threadpoolctl import threadpool_info

from tlkit.notices import warn

_NO_TEXT = "(?!)"  # a pattern that matches nothing


@contextlib.contextmanager
def default_states():
    """Set aside the user's grad mode, autocast, default device and NumPy's error states; a decorator too."""
    # All of these belong to the calling thread and are put back; the default dtype belongs to the whole process.
    with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"), contextlib.ExitStack() as entered:
        if "torch" in sys.modules:  # otherwise nobody has set one of its states
            import torch

            # Another thread than the one that set the number may use all cores in some convolutions, with other bits.
            torch.set_num_threads(torch.get_num_threads())
            if (given := torch.get_default_dtype()) != torch.float32:
                raise RuntimeError(f"torch.get_default_dtype() is {given}, expected float32: call set_default_dtype")
            if (precision := torch.get_float32_matmul_precision()) != "highest":  # for the whole process, too
                warn(f"results may differ: torch.get_float32_matmul_precision() is {precision!r}, expected 'highest'")
            for device_type in filter(torch.is_autocast_enabled, ("cpu", "cuda")):
                entered.enter_context(torch.autocast(device_type, enabled=False))
            if torch.get_default_device().type != "cpu":
                entered.enter_context(torch.device("cpu"))
            entered.enter_context(torch.inference_mode(False))
            entered.enter_context(torch.enable_grad())
        yield


class _HiddenTexts(threading.local):
    """Patterns of the warnings that a thread hides; it stands for a compiled pattern in a filter of warnings."""

    def __init__(self):
        self.patterns = []

    @property
    def pattern(self):
        """The patterns as one; scikit-learn passes it on to workers."""
        return "|".join(self.patterns) or _NO_TEXT

    def match(self, text):
        """Return whether a warning of this thread is hidden."""
        return re.match(self.pattern, text)


_hidden_texts = _HiddenTexts()


@contextlib.contextmanager
def hide_warnings(pattern):
    """Hide warnings whose text begins with a pattern, in this thread and within a block; None hides none."""
    # warnings.catch_warnings would replace the filters of the whole process, and lose those that are set meanwhile.
    own_filter = "ignore", _hidden_texts, Warning, None, 0
    _hidden_texts.patterns.append(_NO_TEXT if pattern is None else pattern)
    warnings.filters.insert(0, own_filter)
    try:
        yield
    finally:
        _hidden_texts.patterns.pop()
        with contextlib.suppress(ValueError):  # the user has replaced the filters
            warnings.filters.remove(own_filter)


class Gate:
    """Lets any number of threads through together, or one alone."""

    def __init__(self):
        self._leaving, self._n_within = threading.Condition(), 0

    @contextlib.contextmanager
    def together(self):
        """Wait until no thread is alone, and keep it so within the block."""
        with self._leaving:
            self._n_within += 1
        try:
            yield
        finally:
            with self._leaving:
                self._n_within -= 1
                self._leaving.notify_all()

    @contextlib.contextmanager
    def alone(self):
        """Wait until no other thread is within, and keep it so within the block."""
        with self._leaving:
            self._leaving.wait_for(lambda: not self._n_within)
            yield


# torch.export switches oneDNN off for the whole process, and other threads would compute other last bits meanwhile.
convolutions = Gate()
_at_fork = getattr(os, "register_at_fork", lambda **hooks: None)  # Windows has no fork
_at_fork(after_in_child=convolutions.__init__)  # a fork inherits no thread that could leave


def make_lock():
    """Return a reentrant lock that is free in forks: no other thread holds it while this process is forked."""
    lock = threading.RLock()
    _at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def end_idle_threads():
    """End the OpenMP threads that the calling thread keeps; its next parallel loop starts new ones."""
    # GNU's OpenMP keeps the threads of each loop waiting for the next one. If they outnumber processors, training in a
    # second thread takes twice as long. A forked process lacks them but would wait for them in its first loop.
    for pool in threadpool_info():
        if pool["user_api"] == "openmp" and pool["prefix"] == "libgomp":
            pause = getattr(ctypes.CDLL(pool["filepath"]), "omp_pause_resource_all", lambda kind: None)  # since GCC 9
            pause(1)  # omp_pause_soft in OpenMP's omp.h: threads end, settings stay
