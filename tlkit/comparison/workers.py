"""Work that this process shares with others, forked from it. Without torch until one is.

Not a pool of the standard library's or of joblib's: their processes work while this one waits, or start without what is
in memory, and either way take half a GiB more.
"""

import concurrent.futures
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import warnings

from tlkit.arguments import check_count
from tlkit.cpu.threads import end_idle_threads

_N_BYTES = 4  # of an item's number in the pipe


def check_workers(n_workers):
    """Return how many processes work at a time, this one among them; ValueError where it can't have others beside it.

    What runs in threads, as OpenVINO does, is not taken along into a process that is forked, and would be waited for.
    """
    n_workers = check_count("n_workers", n_workers, 1)
    if n_workers == 1:
        return n_workers
    if sys.platform != "linux":
        raise ValueError(f"n_workers: {n_workers}, expected 1: only on Linux are processes forked safely")
    torch = sys.modules.get("torch")
    used = ["OpenVINO"] * ("openvino" in sys.modules) + ["a GPU"] * bool(torch and torch.cuda.is_initialized())
    if used:
        raise ValueError(
            f"n_workers: {n_workers}, but this process has used {' and '.join(used)}, which can't be shared: do it "
            "first in a new one, or take n_workers=1"
        )
    return n_workers


def choose_workers():
    """Return 2 where two processes can train side by side on processors of their own, else 1."""
    from tlkit.features.engines import has_gpu

    try:
        n_workers = check_workers(2)
    except ValueError:
        return 1
    return 1 if len(os.sched_getaffinity(0)) < 2 or has_gpu() else n_workers


def call_apart(function):
    """Call a function in a process forked from this one, for what it leaves on the disk.

    The memory that it takes, for libraries too, is free again afterwards. Whether it failed is not said; Ctrl-C ends
    it, and is raised here.
    """
    process = multiprocessing.get_context("fork").Process(target=_call_quietly, args=(function,), daemon=True)
    end_idle_threads()
    process.start()
    try:
        process.join()
    finally:
        process.terminate()
        process.join()


def _call_quietly(function):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")  # who asks for what it left is told
        function()


class Helpers:
    """Processes that are forked as this is made, and wait; `share` divides items among them and this process.

    They have all that this process had in memory by then, and take no room for it. Each computes with its share of
    the processors. They end with `share`, or else with this process.

    Arguments
    ---------
    work: callable
        `work(number)` computes an item, in a helper or here; what it returns can be pickled.
    n_helpers: int
    """

    def __init__(self, work, n_helpers):
        self._work, self._helpers, self._n_workers = work, [], n_helpers + 1
        self._to_do = self._hand_out = None
        if not n_helpers:
            return
        end_idle_threads()
        # What is looked through for cycles is written on, and memory that either side writes on is held twice.
        gc.freeze()
        context = multiprocessing.get_context("fork")
        self._to_do, self._hand_out = os.pipe()
        for _ in range(n_helpers):
            answers, answering = context.Pipe(duplex=False)
            process = context.Process(target=self._help, args=(answering,), daemon=True)
            process.start()
            answering.close()  # the helper has the other copy, and with it the pipe ends
            self._helpers.append((process, answers))

    def share(self, numbers):
        """Yield (number, what `work` returned) of each item, in the order in which they are done.

        What a helper could not do, since it failed or was killed, is done here after all, and so raises here. Ctrl-C is
        for this process alone: what helpers have done by then comes before it is raised.
        """
        if not self._helpers:
            yield from ((number, self._work(number)) for number in numbers)
            return
        left = set(numbers)
        with _threads_divided(self._n_workers), contextlib.closing(self):
            os.write(self._hand_out, b"".join(number.to_bytes(_N_BYTES) for number in numbers))
            os.close(self._hand_out)
            self._hand_out = None
            try:
                for number in self._take():
                    yield number, self._work(number)
                    left.remove(number)
                    yield from self._collect(left, wait=False)
                yield from self._collect(left, wait=True)
                for number in sorted(left):
                    yield number, self._work(number)
            except KeyboardInterrupt:
                yield from self._collect(left, wait=False)
                raise

    def close(self):
        """End the helpers, whatever they are at."""
        if self._helpers:
            gc.unfreeze()
        for process, answers in self._helpers:
            process.terminate()
            process.join()
            answers.close()
        for end in (self._to_do, self._hand_out):
            if end is not None:
                os.close(end)
        self._helpers, self._to_do, self._hand_out = [], None, None

    def _take(self):
        """Yield the numbers of items that nobody has begun."""
        while number := os.read(self._to_do, _N_BYTES):
            yield int.from_bytes(number)

    def _help(self, answering):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(self._hand_out)  # or else the pipe would never be at its end
        # What is too large for the pipe waits in a thread until it is read.
        with _threads_divided(self._n_workers), concurrent.futures.ThreadPoolExecutor(1) as sender:
            for number in self._take():
                with warnings.catch_warnings(record=True) as caught:
                    try:
                        outcome = self._work(number)
                    except Exception:
                        return
                warned = [(warning.category, str(warning.message)) for warning in caught]
                sender.submit(answering.send, (number, outcome, warned))

    def _collect(self, left, *, wait):
        """Yield what helpers have done of what is left; with `wait`, all that they will have done."""
        for _, answers in self._helpers:
            while answers.poll(None if wait else 0):
                try:
                    number, outcome, warned = answers.recv()
                except (EOFError, OSError):  # the latter in the middle of an answer
                    break
                for category, message in warned:
                    warnings.warn(message, category, stacklevel=2)
                left.remove(number)
                yield number, outcome


@contextlib.contextmanager
def _threads_divided(n_workers):
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads // n_workers))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
