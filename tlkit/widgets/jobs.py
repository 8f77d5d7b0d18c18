"""Long work in a thread of its own, which a cell can wait for and a button can cancel."""

import threading

from tlkit.cpu.threads import end_idle_threads


class Job:
    """A running `work(job)`: `result` is its return value, `error` the exception that ended it, or None.

    >>> Job(lambda job: 6 * 7).wait()
    42
    """

    # The work looks at `job.cancelled`, a threading.Event, now and then.

    def __init__(self, work):
        self.cancelled = threading.Event()
        self.result = self.error = None
        # Idle threads of the caller would slow the work down: see `end_idle_threads`.
        end_idle_threads()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work):
        """Keep the result of the work, or its exception."""
        try:
            self.result = work(self)
        except Exception as error:
            self.error = error

    def cancel(self):
        """Request the end of the work."""
        self.cancelled.set()

    def wait(self):
        """Return the result when the work has ended; raise its exception. Ctrl-C cancels the work."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error
        return self.result
