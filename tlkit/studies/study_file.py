"""The TOML files of a study, with the arguments of `Study`, and of its cluster: local, jobs of a queue, or running."""

import contextlib
import importlib
import inspect
import logging
import math
import re
import signal
import tomllib
from pathlib import Path

from tlkit.arguments import check_count, check_known, import_extra

QUEUES = {"htcondor": "HTCondor", "lsf": "LSF", "oar": "OAR", "pbs": "PBS", "sge": "SGE", "slurm": "SLURM"}
_NOT_TAKEN = {"self", "scheduler", "name", "base_class_kwargs", "security", "config_name"}
_NOT_TAKEN |= {"project", "extra", "env_extra", "header_skip", "job_extra"}  # old names of others
# Workers that may end while they have a cell, before it counts as failed: queues end them innocently.
_N_LOST_WORKERS = 10
_QUIET = {"dashboard_address": None}


def read_study(path):
    """Return the `Study` of a file; errors name the file and the argument."""
    from tlkit.studies.grid import SETTINGS
    from tlkit.studies.study import Study

    path, arguments = Path(path), read_toml("file", path)
    try:
        check_known("the name of an argument", arguments, inspect.signature(Study).parameters)
        settings = arguments.pop("settings", {})
        check_known("settings of transfer", settings, SETTINGS)
        arguments["store"] = find_store(path)
        for name in {"backbones", "images"} & arguments.keys():
            given = arguments[name] if isinstance(arguments[name], (list, dict)) else [arguments[name]]
            if all(isinstance(each, str) for each in given):  # also the names in a dict
                given = given if isinstance(given, dict) else dict(zip(given, given, strict=True))
                arguments[name] = {each: _place(value, path.parent) for each, value in given.items()}
        return Study(**arguments, **settings)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"file: {path}: {error}") from error


def find_store(path):
    """Return the store of a study's file, or the path itself if it is a store."""
    path = Path(path)
    store = read_toml("file", path).get("store", "study.sqlite") if path.suffix == ".toml" else path.name
    if not isinstance(store, str):
        raise TypeError(f"store: {store!r}, expected the name of a file")
    return path.parent / store


def read_toml(argument, path):
    """Return the content of a TOML file."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{argument}: {path}: no TOML file ({error}): correct its name or content") from None


def _place(given, folder):
    """Return the arguments of a network or set, with paths that exist beside the file, and None for "none"."""
    if isinstance(given, dict):
        return {name: _place(value, folder) for name, value in given.items()}
    if isinstance(given, str) and (folder / given).exists():
        return str(folder / given)
    return None if given == "none" else given


@contextlib.contextmanager
def open_cluster(path):
    """Start the cluster that a file describes, and yield its client; ValueError and TypeError name the setting."""
    distributed, _ = _import_dask()
    settings = read_toml("cluster", path)
    (kind,) = check_known("kind", [settings.pop("kind", "")], {"local", "running", *QUEUES})
    with contextlib.ExitStack() as opened:
        if kind == "running":
            check_known("cluster", settings, {"address"})
            address = settings.get("address")
            if not isinstance(address, str):
                raise TypeError(f'address: {address!r}, expected that of a scheduler, such as "tcp://head:8786"')
        elif kind == "local":
            check_known("cluster", settings, {"n_workers"})
            n_workers = check_count("n_workers", settings.get("n_workers", 2), 1)
            options = _QUIET | {"threads_per_worker": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
            with _deaf():
                address = distributed.LocalCluster(n_workers=n_workers, host="127.0.0.1", **options)
            opened.enter_context(address)
        else:
            address = opened.enter_context(_start_jobs(kind, settings))
        try:
            client = distributed.Client(address, timeout="20s", set_as_default=False)
        except OSError as error:
            raise OSError(f"address: {address} is not reached ({error}): start the scheduler first") from None
        yield opened.enter_context(client)


def _import_dask():
    """Return distributed and dask_jobqueue, whose import would else let Ctrl-C end this process without a word."""
    former = signal.getsignal(signal.SIGINT)
    try:
        return import_extra("cluster: needs", 'pip install "tlkit[studies]"', "distributed", "dask_jobqueue")
    finally:
        if signal.getsignal(signal.SIGINT) is not former:
            signal.signal(signal.SIGINT, former)


@contextlib.contextmanager
def _deaf():
    """Let the processes that are started within the block never hear Ctrl-C; this one hears it after the block."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_jobs(kind, settings):
    """Return a cluster of jobs in a queue, which are started anew as they end, while there is work."""
    module = importlib.import_module("dask_jobqueue")
    cluster = getattr(module, f"{QUEUES[kind]}Cluster")
    taken = {*inspect.signature(cluster.job_cls).parameters, *inspect.signature(module.core.Job).parameters}
    check_known("cluster", settings, {*taken - _NOT_TAKEN, "scheduler_options", "minimum", "maximum", "lifetime"})
    cores = check_count("cores", settings.get("cores", 1), 1)
    processes = check_count("processes", settings.get("processes", cores), 1, cores)
    minimum = check_count("minimum", settings.pop("minimum", 0), 0)
    maximum = check_count("maximum", settings.pop("maximum", None), max(processes, minimum))
    lifetime_s = _find_lifetime_s(settings.get("walltime"), settings.pop("lifetime", None))
    arguments = [*settings.get("worker_extra_args", []), "--no-dashboard", "--memory-limit", "0"]
    arguments += ["--lifetime", f"{lifetime_s}s", "--lifetime-stagger", f"{lifetime_s // 20}s"]
    settings |= {"cores": cores, "processes": processes, "worker_extra_args": arguments}
    settings["scheduler_options"] = _QUIET | settings.get("scheduler_options", {})
    dask, (jobs_class, options) = importlib.import_module("dask"), _count_jobs(cluster, processes)
    with dask.config.set({"distributed.scheduler.allowed-failures": _N_LOST_WORKERS}):
        try:
            jobs = jobs_class(**settings, silence_logs="critical")
        except (TypeError, ValueError) as error:
            raise ValueError(f"cluster: {kind} refuses these settings ({error})") from error
    jobs.new_spec.pop("group", None)
    jobs.adapt(minimum=-(-minimum // processes), maximum=maximum // processes, **options)
    return jobs


def _count_jobs(cluster, n_workers):
    """Return a class of clusters, and options of its `adapt`, that count jobs, each with a number of workers."""
    # dask's own count workers. They take a job of several for running after these have ended, and start no other one.
    distributed, _ = _import_dask()

    def find_job(name):
        return name.rpartition("-")[0] if n_workers > 1 else name

    class Jobs(cluster):
        def _update_worker_status(self, op, msg):
            if op == "add":
                for worker in msg["workers"].values():
                    worker["name"] = find_job(worker["name"])
            super()._update_worker_status(op, msg)

    class AdaptiveJobs(distributed.Adaptive):
        async def target(self):
            return math.ceil(await super().target() / n_workers)

        async def workers_to_close(self, target):
            return set(map(find_job, await super().workers_to_close(target * n_workers)))

        async def scale_up(self, n):
            self.cluster.scale(jobs=n)

    return Jobs, {"Adaptive": AdaptiveJobs, "worker_key": lambda worker: find_job(worker.name)}


def _find_lifetime_s(walltime, lifetime):
    """Return for how many seconds a worker lives: less than its job, so that its work goes to others in time."""
    # A worker that its queue ends is counted as lost. With dask's `scale`, none would be started in its place.
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", walltime if isinstance(walltime, str) else "")
    parts = zip(found.groups(), (86_400, 3_600, 60, 1), strict=True) if found else ()
    wall_s = sum(int(part or 0) * unit_s for part, unit_s in parts)
    if lifetime is not None:
        return check_count("lifetime", lifetime, 10, wall_s - 10 if wall_s else None)
    if wall_s < 40:
        expected = "expected hours:minutes:seconds of 40 s or more, or a lifetime in seconds beside it"
        raise ValueError(f"walltime: {walltime!r}, {expected}")
    return wall_s - max(20, wall_s // 10)
