"""Long work in a thread of its own, which a cell can wait for and a button can cancel."""

import contextvars
import threading

from IPython import get_ipython

from tlkit.cpu.threads import end_idle_threads


class Job:
    """A running `work(job)`: `result` is its return value, `error` the exception that ended it, or None."""

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
        # ipykernel delivers a widget's messages to the subshell that published on the widget last. A thread publishes
        # for the subshell that handled the last request. A page that is loaded again ends that subshell, and the
        # widgets that the thread changes afterwards would be dead. So it leaves the subshell.
        parent = getattr(getattr(get_ipython(), "kernel", None), "_shell_parent", None)
        if isinstance(parent, contextvars.ContextVar):  # older kernels have no subshells
            parent.set({})
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
