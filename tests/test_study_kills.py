"""The store of a study keeps what is finished, however its process ends, and nothing of it runs twice."""

import collections
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from made_grids import list_runs, make_toy, read_rows, running, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
N_SEEDS = 60
# One of each in a quick run, three in a whole one, twenty before a release.
MARKS = [(), *[pytest.mark.slow] * 2, *[pytest.mark.exhaustive] * 17]
MOMENTS = [pytest.param(number, marks=marks) for number, marks in enumerate(MARKS)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the rows of a study that nothing stopped."""
    store = tmp_path_factory.mktemp("undisturbed") / "study.sqlite"
    assert make_toy(store, N_SEEDS).run(progress=False)
    return read_rows(store)


@pytest.fixture
def study(tmp_path):
    return make_toy(tmp_path / "study.sqlite", N_SEEDS, log=tmp_path / "log", work_s=0.002)


def choose_count(number):
    """Return after how many rows a study is stopped."""
    return random.Random(number).randrange(1, 2 * N_SEEDS - 10)


def is_there(process_id):
    """Say whether a process runs; one that has ended but wasn't asked about doesn't."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def check_rest(study, folder, kept, undisturbed):
    """Let a study go on, and compare all with one that nothing stopped."""
    assert kept == {key: undisturbed[key] for key in kept}
    before = list_runs(folder / "log")
    assert study.run(progress=False)
    assert read_rows(study._store.path) == undisturbed
    assert sorted(list_runs(folder / "log")[len(before) :]) == sorted(undisturbed.keys() - kept.keys())


@pytest.mark.parametrize("number", MOMENTS)
def test_a_killed_process_loses_nothing(number, study, tmp_path, undisturbed):
    with running(study, tmp_path / "shown") as process:
        wait_until(lambda: len(list_runs(tmp_path / "shown")) >= choose_count(number))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    workers = {line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert len(workers) == 2
    wait_until(lambda: not any(map(is_there, workers)), limit_s=5)
    shown, kept = list_runs(tmp_path / "shown"), read_rows(study._store.path)
    assert len(set(shown)) == len(shown)
    # The last row may have been stored, but not shown yet.
    assert set(shown) <= kept.keys() and len(kept) - len(shown) <= 1 and len(kept) < len(undisturbed)
    check_rest(study, tmp_path, kept, undisturbed)


@pytest.mark.parametrize("number", MOMENTS)
def test_ctrl_c_is_quiet_and_keeps_what_is_finished(number, study, tmp_path, undisturbed, capfd):
    with running(study, tmp_path / "shown") as process:
        wait_until(lambda: len(list_runs(tmp_path / "shown")) >= choose_count(number))
        os.kill(process.pid, signal.SIGINT)
        process.join(30)
        assert process.exitcode == 3
    kept = read_rows(study._store.path)
    assert kept.keys() == set(list_runs(tmp_path / "shown"))
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "Warning" in line or "Error" in line]
    assert f"interrupted; {len(kept)} of {len(undisturbed)} runs are kept" in line
    check_rest(study, tmp_path, kept, undisturbed)


@pytest.mark.parametrize("number", MOMENTS)
def test_a_copy_at_any_moment_goes_on(number, study, tmp_path, undisturbed):
    (tmp_path / "copy").mkdir()
    copy = make_toy(tmp_path / "copy" / "study.sqlite", N_SEEDS, log=tmp_path / "copy" / "log")
    with running(study, tmp_path / "shown"):
        wait_until(lambda: len(list_runs(tmp_path / "shown")) >= choose_count(number))
        shown = list_runs(tmp_path / "shown")
        for name in ("study.sqlite", "study.sqlite-wal"):  # as a disk has them after a power cut
            shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    kept = read_rows(copy._store.path)
    assert set(shown) <= kept.keys()
    check_rest(copy, tmp_path / "copy", kept, undisturbed)


def test_a_row_on_its_own_is_on_disk_before_the_next_run(tmp_path, monkeypatch):
    study, clock, kinds = make_toy(tmp_path / "study.sqlite"), [0.0], []
    monkeypatch.setattr("tlkit.studies.store.time.monotonic", lambda: clock[0])
    store = study._store
    with store.writing(1):
        for cell, moment in zip(study._grid.cells, (1.0, 2.0, 2.001, 2.002, 3.0), strict=False):
            clock[0] = moment
            store.keep(cell, study._grid.measurement(cell))
            kinds += store._writer.execute("PRAGMA synchronous").fetchone()
    assert kinds == [2, 2, 1, 1, 2]  # SQLite's FULL and NORMAL


@pytest.mark.parametrize("number", MOMENTS)
def test_a_killed_worker_loses_nothing(number, study, tmp_path, undisturbed):
    with running(study, tmp_path / "shown", n_workers=3) as process:
        wait_until(lambda: len(list_runs(tmp_path / "shown")) >= choose_count(number) // 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        kept = list_runs(tmp_path / "shown")
        os.kill(int(children[0]), signal.SIGKILL)
        process.join(60)
        assert process.exitcode == 0
    assert read_rows(study._store.path) == undisturbed
    assert sorted(list_runs(tmp_path / "shown")) == sorted(undisturbed)
    # Only runs that the killed worker computed and hadn't sent yet are computed again, once each.
    begun = [line.split(" ", 1) for line in (tmp_path / "log").read_text().splitlines()]
    counts = collections.Counter(run for _, run in begun)
    again = {run for run, count in counts.items() if count > 1}
    assert kept and again <= {run for worker, run in begun if worker == children[0]} - set(kept)
    assert len(begun) == len(undisturbed) + len(again)
