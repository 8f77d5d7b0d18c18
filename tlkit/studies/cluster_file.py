"""The TOML file of a cluster: processes of this machine, jobs of a queue by dask-jobqueue, or a running scheduler."""

import contextlib
import importlib
import inspect
import logging
import re
import signal
import tomllib

from tlkit.arguments import check_count, check_known, import_extra

QUEUES = {"htcondor": "HTCondor", "lsf": "LSF", "oar": "OAR", "pbs": "PBS", "sge": "SGE", "slurm": "SLURM"}
_NOT_TAKEN = {"self", "scheduler", "name", "base_class_kwargs", "security", "config_name"}
_NOT_TAKEN |= {"project", "extra", "env_extra", "header_skip", "job_extra"}  # old names of others
# Workers that may end while they have a cell, before it counts as failed: queues end them innocently.
_N_LOST_WORKERS = 10
_QUIET = {"dashboard_address": None}


@contextlib.contextmanager
def open_cluster(path):
    """Start the cluster that a file describes, and yield its client; ValueError and TypeError name the setting."""
    distributed, _ = _import_dask()
    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"cluster: {path} can't be read ({error}), expected a file in TOML") from None
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
    minimum = check_count("minimum", settings.pop("minimum", 0), 0)
    maximum = check_count("maximum", settings.pop("maximum", None), max(1, minimum))
    cores = check_count("cores", settings.get("cores", 1), 1)
    lifetime_s = _find_lifetime_s(settings.get("walltime"), settings.pop("lifetime", None))
    arguments = ["--lifetime", f"{lifetime_s}s", "--lifetime-stagger", f"{lifetime_s // 20}s"]
    arguments += ["--no-dashboard", "--memory-limit", "0"]
    settings |= {"cores": cores, "worker_extra_args": [*settings.get("worker_extra_args", []), *arguments]}
    settings["scheduler_options"] = _QUIET | settings.get("scheduler_options", {})
    dask = importlib.import_module("dask")
    with dask.config.set({"distributed.scheduler.allowed-failures": _N_LOST_WORKERS}):
        try:
            jobs = cluster(**{"processes": cores} | settings, silence_logs="critical")
        except (TypeError, ValueError) as error:
            raise ValueError(f"cluster: {kind} refuses these settings ({error})") from error
    jobs.adapt(minimum=minimum, maximum=maximum)
    return jobs


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
