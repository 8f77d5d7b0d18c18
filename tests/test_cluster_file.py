"""The TOML file of a cluster: wrong settings are named before anything starts, and jobs are as promised."""

import gc
import importlib.util
import os
import shlex
import signal
import subprocess
import sys

import pytest
from made_clusters import Toy, read_rows, run_toy

from tlkit.studies.study_file import open_cluster

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("dask_jobqueue") is None, reason="needs the extra 'studies'"),
    pytest.mark.filterwarnings("default"),  # of dask's own sockets
    # A cluster whose settings are refused warns when it is collected, with words that xdist can't send.
    pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning"),
]
SLURM = 'kind = "slurm"\nmaximum = 4\nmemory = "2GB"\ninterface = "lo"\n'


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("kind = ", ValueError, r"cluster: .*cluster\.toml: no TOML file \(.*\): correct its name or"),
        ("", ValueError, "kind: '' is unknown; .*known: 'htcondor', 'local', 'lsf', 'oar'"),
        ('kind = "local"\nn_workers = 0', ValueError, "n_workers: 0, expected a whole number of at least 1"),
        ('kind = "local"\nworkers = 2', ValueError, "cluster: 'workers' is unknown; nearest: 'n_workers'"),
        ('kind = "running"', TypeError, "address: None, expected that of a scheduler"),
        (f'{SLURM}walltime = "soon"', ValueError, "walltime: 'soon', expected hours:minutes:seconds of 40 s or more"),
        (f'{SLURM}walltime = "00:00:30"', ValueError, "walltime: '00:00:30', expected"),
        (f'{SLURM}walltime = "01:00:00"\nlifetime = 3600', ValueError, "lifetime: 3600, expected .* from 10 to 3590"),
        (f'{SLURM}walltime = "01:00:00"\nminimum = 5', ValueError, "maximum: 4, expected a whole number of at least 5"),
        (f"{SLURM}cores = 2\nprocesses = 3", ValueError, "processes: 3, expected a whole number from 1 to 2"),
        (f'{SLURM}cores = 5\nwalltime = "01:00:00"', ValueError, "maximum: 4, expected a whole number of at least 5"),
        (f'{SLURM}wall_time = "01:00:00"', ValueError, "cluster: 'wall_time' is unknown; nearest: 'walltime'"),
        ('kind = "slurm"\nmaximum = 4\nwalltime = "01:00:00"', ValueError, "cluster: slurm refuses these settings"),
        ('kind = "slurm"\nmaximum = "4"', TypeError, "maximum: '4' is a str"),
    ],
)
def test_wrong_settings_are_named(text, error, message, tmp_path):
    (tmp_path / "cluster.toml").write_text(text)
    with pytest.raises(error, match=message), open_cluster(tmp_path / "cluster.toml"):
        pass
    gc.collect()


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(*arguments, **options):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    (tmp_path / "cluster.toml").write_text('kind = "running"\naddress = "tcp://127.0.0.1:9"')
    message = r"address: tcp://127\.0\.0\.1:9 is not reached \(timed out\)"
    with pytest.raises(OSError, match=message), open_cluster(tmp_path / "cluster.toml"):
        pass


def test_jobs_end_before_their_walltime(tmp_path):
    text = f'{SLURM}cores = 3\nwalltime = "1-01:00:00"\nqueue = "short"\nworker_extra_args = ["--nthreads", "1"]'
    (tmp_path / "cluster.toml").write_text(text)
    with open_cluster(tmp_path / "cluster.toml") as client:
        script = client.cluster.job_script()
        assert not client.nthreads()  # no work, no jobs
        assert client.cluster.scheduler_address.startswith("tcp://127.0.0.1:")
    words = shlex.split(script, comments=True)
    assert words[words.index("--lifetime") + 1] == f"{25 * 3600 * 9 // 10}s"
    assert words[words.index("--lifetime-stagger") + 1] == f"{25 * 3600 * 9 // 10 // 20}s"
    assert words[words.index("--nworkers") + 1] == "3"
    assert words[len(words) - words[::-1].index("--memory-limit")] == "0"
    assert "--no-dashboard" in words and "#SBATCH -p short" in script and "#SBATCH -t 1-01:00:00" in script


@pytest.mark.slow
def test_a_job_of_several_workers_is_started_anew(tmp_path, monkeypatch):
    pytest.importorskip("distributed")  # before its settings are changed: it brings the others
    dask = pytest.importorskip("dask")
    submit = 'cp "$1" "$0.$$"\nsetsid sh "$0.$$" > /dev/null 2>&1 &\necho job $!'  # the script is removed afterwards
    for name, command in [("sbatch", submit), ("scancel", "kill -9 -- -$1")]:
        (tmp_path / name).write_text(f"#!/bin/sh\n{command}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    text = SLURM.replace("maximum = 4", "maximum = 2")
    (tmp_path / "cluster.toml").write_text(f'{text}cores = 2\nwalltime = "01:00:00"\n')
    jobs = []

    def end_first(key):
        if not jobs:
            jobs.extend(int(job.job_id) for job in client.cluster.workers.values())
            os.killpg(jobs[0], signal.SIGKILL)

    # Without another job, the study would wait for good, so the test sets a limit.
    limits = {"distributed.deploy.lost-worker-timeout": "100ms", "distributed.scheduler.no-workers-timeout": "20s"}
    with dask.config.set(limits), open_cluster(tmp_path / "cluster.toml") as client:
        run_toy(tmp_path / "study.sqlite", client, 20, Toy(tmp_path / "log", 0.1), end_first)
    rows, n_failed = read_rows(tmp_path / "study.sqlite")
    assert (len(rows), n_failed) == (20, 0)
    assert len({line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}) > 1


@pytest.mark.slow
def test_ctrl_c_is_heard_as_before(tmp_path):
    """dask_jobqueue lets Ctrl-C end a process as if all were well, from its import on."""
    (tmp_path / "cluster.toml").write_text(f'{SLURM}walltime = "01:00:00"')
    code = (
        "import signal, sys\nfrom tlkit.studies.study_file import open_cluster\n"
        "with open_cluster(sys.argv[1]):\n    pass\n"
        "assert 'dask_jobqueue' in sys.modules\nsignal.raise_signal(signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "cluster.toml"], capture_output=True, text=True)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt") and done.returncode != 0
