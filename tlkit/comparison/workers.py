"""Worker processes that are forked from this one and share its work. Without torch until one is started.

Pools of the standard library or joblib don't fit: they start without what is in memory, or let the parent wait.
"""

import concurrent.futures
import contextlib
import ctypes
import gc
import multiprocessing.connection
import os
import signal
import sys
import warnings

from threadpoolctl import threadpool_info, threadpool_limits
from tqdm import tqdm

from tlkit.arguments import check_count
from tlkit.cpu.threads import end_idle_threads, hide_warnings, make_lock
from tlkit.notices import warn

_INDEX_BYTES = 4  # per index in the pipe
_PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent ends


def check_workers(n_workers):
    """Return the number of processes that work at a time, this one included; ValueError if this one can't be forked."""
    n_workers = check_count("n_workers", n_workers, 1)
    if n_workers > 1 and sys.platform != "linux":
        raise ValueError(f"n_workers: {n_workers}, expected 1: processes can only be forked safely on Linux")
    # A forked process doesn't have the threads of OpenVINO or CUDA, and would wait for them forever.
    torch = sys.modules.get("torch")
    used = ["OpenVINO"] * ("openvino" in sys.modules) + ["a GPU"] * bool(torch and torch.cuda.is_initialized())
    if n_workers > 1 and used:
        found = f"this process has used {' and '.join(used)}, which forked processes can't share"
        advice = "start the comparison first in a new process, or use n_workers=1"
        raise ValueError(f"n_workers: {n_workers}, but {found}: {advice}")
    return n_workers


def call_in_fork(function):
    """Call a function in a forked process for the files that it writes; its memory is freed, its errors are ignored."""

    def call_quietly():
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")  # the caller repeats the work, and gets the warnings then
            function()

    end_idle_threads()
    process = _fork(call_quietly)
    try:
        process.join()
    finally:
        process.kill()
        process.join()


def _fork(function, *arguments):
    """Return a forked process that calls a function; it doesn't hear Ctrl-C, and ends at once if this process ends."""
    arguments = os.getpid(), function, *arguments
    process = multiprocessing.get_context("fork").Process(target=_call_below, args=arguments, daemon=True)
    # Ctrl-C waits until the new process ignores it; otherwise that would show a traceback.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        # Python 3.12 warns that another thread may hold a lock. Those of tlkit and tqdm are free in the new process.
        with hide_warnings("This process .* is multi-threaded"):
            process.start()
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except KeyboardInterrupt:
            process.kill()
            process.join()
            raise
    return process


def _call_below(parent, function, *arguments):
    """Call a function in a forked process, which the system kills when its parent ends, even if that was killed."""
    ctypes.pythonapi.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of the parent would do its work twice
    tqdm.set_lock(make_lock())
    if os.getppid() == parent:  # otherwise it ended before prctl was called
        function(*arguments)


class Helpers:
    """Processes forked at construction, with its memory; `share` divides `work(index)` among them and this process."""

    def __init__(self, work, n_helpers, describe=str):
        self._work, self._helpers, self._n_workers, self._describe = work, [], n_helpers + 1, describe
        self._queue = self._feed = None
        if not n_helpers:
            return
        import torch  # noqa: F401  once here, instead of once per helper

        end_idle_threads()
        # The garbage collector writes on the objects that it visits, and memory that is written on is held twice.
        gc.freeze()
        self._queue, self._feed = os.pipe()
        try:
            for _ in range(n_helpers):
                receiver, sender = multiprocessing.Pipe(duplex=False)
                with sender:  # the pipe ends when the helper closes its own copy
                    self._helpers.append((_fork(self._help, sender, receiver), receiver))
        except BaseException:  # also Ctrl-C
            self.close()
            raise

    def share(self, indices):
        """Yield (index, work(index)) in the order in which they are finished."""
        if not self._helpers:
            yield from ((index, self._work(index)) for index in indices)
            return
        remaining = set(indices)
        with _divide_threads(self._n_workers), contextlib.closing(self):
            os.write(self._feed, b"".join(index.to_bytes(_INDEX_BYTES) for index in indices))
            os.close(self._feed)
            self._feed = None
            try:
                for index in self._claim():
                    yield index, self._work(index)
                    remaining.remove(index)
                    yield from self._collect(remaining, wait=False)
                yield from self._collect(remaining, wait=True)
                # Work of a helper that failed or was killed is repeated here, and so raises here.
                if remaining:
                    self._report_killed(", ".join(map(self._describe, sorted(remaining))))
                for index in sorted(remaining):
                    yield index, self._work(index)
            except KeyboardInterrupt:
                # Only this process hears Ctrl-C. Results that helpers have finished come before it is raised again.
                yield from self._collect(remaining, wait=False)
                raise

    def close(self):
        """End the helpers at once."""
        if self._queue is not None:
            gc.unfreeze()
        for process, receiver in self._helpers:
            process.kill()
            process.join()
            receiver.close()
        for end in (self._queue, self._feed):
            if end is not None:
                os.close(end)
        self._helpers, self._queue, self._feed = [], None, None

    def _claim(self):
        """Yield the indices that no process has begun."""
        while index := os.read(self._queue, _INDEX_BYTES):
            yield int.from_bytes(index)

    def _report_killed(self, lost):
        """Warn of helpers that a signal has ended."""
        for process, _ in self._helpers:
            process.join()
            if process.exitcode < 0:
                killed = f"worker process {process.pid} was killed ({signal.Signals(-process.exitcode).name})"
                rest = f"finished runs are kept, and this process repeats {lost}: use fewer workers if it happens again"
                warn(f"{killed}, perhaps since memory ran out; {rest}")

    def _help(self, sender, own_receiver):
        """Work in a helper, and send (index, result, warnings) of each index."""
        os.close(self._feed)  # or the pipe would never reach its end
        for receiver in [own_receiver, *(receiver for _, receiver in self._helpers)]:
            receiver.close()  # or a helper whose parent is gone would wait for itself or another helper to read
        # A result that is too large for the pipe waits in a thread until it is read.
        with _divide_threads(self._n_workers), concurrent.futures.ThreadPoolExecutor(1) as executor:
            for index in self._claim():
                with warnings.catch_warnings(record=True) as caught:
                    try:
                        result = self._work(index)
                    except Exception:
                        return
                executor.submit(sender.send, (index, result, [(each.category, str(each.message)) for each in caught]))

    def _collect(self, remaining, *, wait):
        """Yield the results that helpers have sent; with `wait`, all that they will send, each as it comes."""
        receivers = [receiver for _, receiver in self._helpers]
        while receivers and (ready := multiprocessing.connection.wait(receivers, None if wait else 0)):
            for receiver in ready:
                try:
                    index, result, given = receiver.recv()
                except (EOFError, OSError):  # OSError: killed while it was sending
                    receivers.remove(receiver)
                    continue
                for category, message in given:
                    warn(message, category)
                remaining.remove(index)
                yield index, result


@contextlib.contextmanager
def _divide_threads(n_workers):
    """Give torch and BLAS one of `n_workers` shares of their threads."""
    import torch

    n_threads = torch.get_num_threads()
    n_blas_threads = min((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    torch.set_num_threads(max(1, n_threads // n_workers))
    try:
        with threadpool_limits(max(1, n_blas_threads // n_workers), user_api="blas"):
            yield
    finally:
        torch.set_num_threads(n_threads)
