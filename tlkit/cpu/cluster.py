"""Work shared among the workers of a dask cluster: sent once, bounded, collected as it ends. Needs dask.distributed."""

import functools
import itertools
import pickle
import signal
import threading
import uuid
import warnings
from concurrent.futures import CancelledError

from tlkit.arguments import import_extra
from tlkit.notices import warn

cloudpickle, distributed = import_extra("client: needs", 'pip install "tlkit[studies]"', "cloudpickle", "distributed")

N_IN_FLIGHT = 500  # tasks that the scheduler knows at a time; more workers than this would wait


class _Work(distributed.WorkerPlugin):
    """The maker of a function, sent once to each worker of a cluster, also to those that join later."""

    # As an argument of each task it would travel each time. As data on a worker it would be lost with that worker.
    def __init__(self, make):
        self._make = cloudpickle.dumps(make)

    def setup(self, worker):
        """Unpack nothing yet, and let the client alone hear Ctrl-C."""
        self._lock, self._function, self._handler = threading.Lock(), None, None
        # A terminal sends Ctrl-C to all processes. The client alone hears it, and then tells the others.
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def teardown(self, worker):
        """Let Ctrl-C be heard again."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def run(self, item):
        """Return (kind, result, warnings) of an item, pickled; one at a time, even if the worker has more threads."""
        with self._lock, warnings.catch_warnings(record=True) as caught:
            kind = "unfit"
            try:
                self._function = self._function or pickle.loads(self._make)()
                kind = "done"
                result = self._function(pickle.loads(item))
            except Exception as error:
                result = error.with_traceback(None)
            given = [(each.category, str(each.message)) for each in caught]
        return cloudpickle.dumps((kind, result, given, distributed.get_worker().address))


def _run(name, item):
    """Run an item in the plugin that holds its function."""
    work = distributed.get_worker().plugins.get(name)
    return work and work.run(item)  # after the end of a `share`, a task that was cancelled may still begin


def share(client, make, items, *, unfit=(), n_in_flight=N_IN_FLIGHT):
    """Yield (item, function(item) or its error) as they end; `make()` returns the function, once in each worker."""
    # An error of `make`, or of a class in `unfit`, concerns the worker and not the item. So it ends everything, as the
    # loss of the scheduler does: stored as results of the items, they would be false.
    if not isinstance(client, distributed.Client) or client.asynchronous:
        given = f"client: a {type(client).__name__}"
        raise TypeError(f"{given}, expected a distributed.Client that is not asynchronous")
    name, waiting, running, ended = f"tlkit-{uuid.uuid4().hex}", iter(items), {}, []
    finished = distributed.as_completed(loop=client.loop, with_results=True, raise_errors=False)
    try:
        client.register_plugin(_Work(make), name=name)
        while True:
            if len(running) <= 0.9 * n_in_flight:  # several at a time, since each message to the scheduler costs a ms
                following = list(itertools.islice(waiting, n_in_flight - len(running)))
                tasks = client.map(functools.partial(_run, name), list(map(cloudpickle.dumps, following)), pure=False)
                running |= zip(tasks, following, strict=True)
                finished.update(tasks)
            if not running:
                return
            ended += finished.next_batch()
            while ended:
                yield _take(client, running, ended.pop(0), unfit)
    except KeyboardInterrupt:
        ended += finished.next_batch(block=False)  # these are kept, as with workers of this machine
        while ended:
            yield _take(client, running, ended.pop(0), unfit)
        raise
    finally:
        if client.status == "running":
            client.cancel(list(running), force=True)
            client.unregister_worker_plugin(name)


def _take(client, running, done, unfit):
    """Return (item, result or error) of a finished task, which is released: otherwise its worker's end repeats it."""
    task, answer = done
    item, status = running.pop(task), task.status
    task.release()
    if isinstance(answer, CancelledError) or status == "cancelled":
        address = client.scheduler.address
        raise ConnectionError(f"client: the scheduler at {address} is gone: start it again, and repeat the call")
    if status == "error":
        error = answer[1]
        if isinstance(error, distributed.KilledWorker):
            ended = f"{error.allowed_failures + 1} workers ended running this, the last {error.last_worker.address}"
            error = RuntimeError(f"{ended}, perhaps since memory ran out: see the logs of the workers")
        return item, error
    kind, result, given, worker = pickle.loads(answer)
    for category, message in given:
        warn(message, category)
    if kind == "unfit" or isinstance(result, unfit):
        raise RuntimeError(f"client: the worker {worker} can't do this work: {result}")
    return item, result
