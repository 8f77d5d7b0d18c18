"""Jobs: the threads that are idle where one is begun end before it works."""

import contextvars
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import threadpoolctl

from tlkit.widgets import jobs
from tlkit.widgets.jobs import Job, end_idle_threads

# Threads that end stay listed for a moment.
COUNTING = """
import os, time
import torch
from tlkit.widgets.jobs import Job

def count():
    return len(os.listdir("/proc/self/task"))

def wait_for(n_threads):
    deadline = time.monotonic() + 20
    while count() != n_threads and time.monotonic() < deadline:
        time.sleep(0.01)
    return count()

n_alone = count()
values = torch.zeros(1_000_000).add_(1)
n_kept = count()
n_beside = Job(lambda job: wait_for(n_alone + 1)).wait()  # the job's own thread
n_left = wait_for(n_alone)
values.add_(1)
print(n_kept - n_alone, n_beside - n_alone, n_left - n_alone, count() - n_alone, values.sum().item())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux lists them")
def test_only_the_job_has_a_thread_beside_the_one_that_began_it():
    if os.cpu_count() < 2:
        pytest.skip("with one processor torch starts no threads")
    if not any(pool["prefix"] == "libgomp" for pool in threadpoolctl.threadpool_info()):
        pytest.skip("torch has another OpenMP here")
    environment = {"OMP_NUM_THREADS": "2", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(
        [sys.executable, "-c", COUNTING], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["1", "1", "0", "1", "2000000.0"]


def test_threads_of_another_library_are_let_be(monkeypatch):
    pools = [
        {"user_api": "openmp", "prefix": "libomp", "filepath": "no such library"},
        {"user_api": "blas", "prefix": "libopenblas", "filepath": "no such library"},
    ]
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: pools)
    end_idle_threads()


@pytest.mark.parametrize("kernel", [None, SimpleNamespace(), SimpleNamespace(_shell_parent={"header": 1})])
def test_a_job_runs_without_a_kernel_and_in_one_without_subshells(monkeypatch, kernel):
    monkeypatch.setattr(jobs, "get_ipython", lambda: kernel and SimpleNamespace(kernel=kernel))
    assert Job(lambda job: 42).wait() == 42


def test_a_job_publishes_for_no_subshell_and_the_cell_that_begins_it_for_its_own(monkeypatch):
    parent = contextvars.ContextVar("parent")
    parent.set({"header": {"subshell_id": "a page"}})
    monkeypatch.setattr(jobs, "get_ipython", lambda: SimpleNamespace(kernel=SimpleNamespace(_shell_parent=parent)))
    assert Job(lambda job: parent.get()).wait() == {}
    assert parent.get() == {"header": {"subshell_id": "a page"}}
