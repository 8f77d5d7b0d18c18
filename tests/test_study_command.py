"""`tlkit study run`, end to end: forked workers, workers of dask, and jobs of SLURM give the bits of one process."""

import importlib.util
import shutil
import sys

import pytest
from made_command import run_command
from made_grids import read_rows
from made_pictures import write_dark_and_bright
from made_slurm import PROGRAMS, running_slurm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]
STUDY = """
backbones.random = {{name = "resnet18", weights = "none"}}
images.light = {{source = "{pictures}"}}
strategies = ["hand_made", "linear_probe", "last_2_stages"]
shots = [1, 2]
seeds = 2
image_size_px = 32
"""
SLURM = """
kind = "slurm"
maximum = 1
cores = 1
memory = "500MB"
walltime = "00:02:00"
interface = "lo"
queue = "all"
"""
TIMES = {"duration_s", "peak_memory_mib", "wall_s"}


@pytest.fixture(scope="module")
def run_study(tmp_path_factory):
    """Return a function that runs the study in a process of its own, and returns its rows without times."""
    pictures = write_dark_and_bright(tmp_path_factory.mktemp("pictures"), 10)

    def run_study(*options, cluster=None):
        folder = tmp_path_factory.mktemp("study")
        (folder / "study.toml").write_text(STUDY.format(pictures=pictures))
        if cluster:
            (folder / "cluster.toml").write_text(cluster)
            options = "--cluster", folder / "cluster.toml"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
            patch.chdir(folder)
            done = run_command("study", "run", folder / "study.toml", *options, timeout=300)
        assert (done.returncode, done.stdout.decode()) == (0, "12 of 12 runs done, 0 failed, 0 open\n"), done.stderr
        return {
            key: ({name: value for name, value in row.items() if name not in TIMES}, predictions)
            for key, (row, predictions) in read_rows(folder / "study.sqlite").items()
        }

    return run_study


@pytest.fixture(scope="module")
def expected(run_study):
    rows = run_study()
    assert len(rows) == 12 and len({predictions for _, predictions in rows.values()}) > 4
    return rows


def test_forked_workers_give_the_same_bits(run_study, expected):
    assert run_study("--workers", "2") == expected


# Imported here, dask_jobqueue would change Ctrl-C for all tests of this process.
@pytest.mark.skipif(importlib.util.find_spec("dask_jobqueue") is None, reason="needs the extra 'studies'")
def test_workers_of_dask_give_the_same_bits(run_study, expected):
    assert run_study(cluster='kind = "local"\nn_workers = 2\n') == expected


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    with running_slurm(tmp_path) as variables:
        monkeypatch.setenv("SLURM_CONF", variables["SLURM_CONF"])
        yield f'log_directory = "{tmp_path}/logs"\n'


@pytest.mark.cluster
@pytest.mark.skipif(any(shutil.which(name) is None for name in PROGRAMS), reason="needs SLURM and munge")
def test_jobs_of_slurm_give_the_same_bits(run_study, expected, slurm):
    assert run_study(cluster=SLURM + slurm) == expected
