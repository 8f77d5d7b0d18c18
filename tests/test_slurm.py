"""A study on a real SLURM of one node, whose jobs are shorter than the study."""

import shutil
import sys

import pytest
from made_clusters import Toy, list_begun, read_rows, run_toy
from made_slurm import PROGRAMS, running_slurm

from tlkit.studies.study_file import open_cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(any(shutil.which(name) is None for name in PROGRAMS), reason="needs SLURM and munge"),
    pytest.mark.filterwarnings("default"),
]
N_CELLS = 20


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_study_goes_on_across_jobs(n_workers, tmp_path, monkeypatch):
    (tmp_path / "slurm").mkdir()
    with running_slurm(tmp_path / "slurm") as variables:
        monkeypatch.setenv("SLURM_CONF", variables["SLURM_CONF"])
        monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
        (tmp_path / "slurm.toml").write_text(
            f"""
            kind = "slurm"
            maximum = {n_workers}
            cores = {n_workers}
            memory = "500MB"
            walltime = "00:01:00"
            lifetime = 12
            interface = "lo"
            queue = "all"
            log_directory = "{tmp_path}/logs"
            """
        )
        with open_cluster(tmp_path / "slurm.toml") as client:
            run_toy(tmp_path / "study.sqlite", client, N_CELLS * n_workers, Toy(tmp_path / "log", 1.0))
    rows, n_failed = read_rows(tmp_path / "study.sqlite")
    assert (len(rows), n_failed) == (N_CELLS * n_workers, 0)
    workers = {line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert len(workers) > n_workers
    # A worker at the end of its life hands the cell under way to the next one.
    assert len(list_begun(tmp_path / "log")) <= N_CELLS * n_workers + 2 * len(workers)
