"""Long work in a thread of its own: waited for from a cell, cancelled from a button."""

import threading

from tlkit.cpu.threads import end_idle_threads


class Job:
    """Work that has begun.

    Where it is begun, idle threads end first, and so the work is as fast as it would be there: see `end_idle_threads`.

    Arguments
    ---------
    work: callable
        `work(job)` returns the result. It looks at `job.cancelled` (a threading.Event) now and then.

    `result` is what the work returned, `error` the exception that it ended in, or None.

    >>> Job(lambda job: 6 * 7).wait()
    42
    """

    def __init__(self, work):
        self.cancelled = threading.Event()
        self.result = self.error = None
        end_idle_threads()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work):
        try:
            self.result = work(self)
        except Exception as error:
            self.error = error

    def cancel(self):
        """Ask the work to end."""
        self.cancelled.set()

    def wait(self):
        """Return the result once there is one; raises what the work raised. Ctrl-C cancels the work."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error
        return self.result
