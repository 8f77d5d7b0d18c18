"""Work shared among the workers of a dask cluster: sent once, bounded, collected as it ends. Needs dask.distributed."""

import contextlib
import functools
import itertools
import pickle
import signal
import threading
import time
import uuid
import warnings
from concurrent.futures import CancelledError

from tlkit.arguments import import_extra
from tlkit.notices import warn

modules = "cloudpickle", "dask", "distributed"
cloudpickle, dask, distributed = import_extra("client: needs", 'pip install "tlkit[studies]"', *modules)

N_IN_FLIGHT = 500  # tasks that the scheduler knows at a time; more workers than this would wait
_QUIET_S = 60  # waiting without a worker is reported after this time, and again after an hour
# dask closes the nanny of a worker that is not there 15 s after its loss: if it starts slowly, or was just lost again.
# Only `adapt` then starts another one.
_PATIENT = {"distributed.deploy.lost-worker-timeout": "1000 days"}


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
        raise TypeError(f"client: a {type(client).__name__}, expected a distributed.Client that is not asynchronous")
    name, waiting, running, ended = f"tlkit-{uuid.uuid4().hex}", iter(items), {}, []
    finished = distributed.as_completed(loop=client.loop, with_results=True, raise_errors=False)
    try:
        with dask.config.set({} if getattr(client.cluster, "_adaptive", None) else _PATIENT):
            client.register_plugin(_Work(make), name=name)
            while True:
                if len(running) <= 0.9 * n_in_flight:  # several at a time, since a message to the scheduler costs a ms
                    new = list(itertools.islice(waiting, n_in_flight - len(running)))
                    tasks = client.map(functools.partial(_run, name), list(map(cloudpickle.dumps, new)), pure=False)
                    running |= zip(tasks, new, strict=True)
                    finished.update(tasks)
                if not running:
                    return
                ended += _wait(client, finished)
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
            with contextlib.suppress(OSError):  # of a worker that ends just now
                client.unregister_worker_plugin(name)


def _wait(client, finished):
    """Return the tasks that end next; if no worker is ready for them, say so and wait on: queues may take hours."""
    look_s = time.monotonic() + _QUIET_S
    while not (batch := finished.next_batch(block=False)):
        with finished.thread_condition:
            finished.thread_condition.wait(0.1)
        if time.monotonic() > look_s:
            look_s += _QUIET_S
            with contextlib.suppress(OSError):  # a lost scheduler cancels the tasks
                if not client.sync(client.scheduler.ncores_running):
                    given = f"client: no worker is ready, and {finished.count()} tasks wait until one is"
                    warn(f"{given}: see the queue and the workers' logs; Ctrl-C keeps what is finished")
                    look_s += 59 * _QUIET_S
    return batch


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
        if isinstance(error, (distributed.scheduler.NoWorkerError, distributed.scheduler.NoValidWorkerError)):
            raise ConnectionError("client: no worker came within the scheduler's no-workers-timeout: repeat the call")
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
