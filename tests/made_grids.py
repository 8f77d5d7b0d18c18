"""Studies of tiny made cells, without networks, in processes that tests may kill."""

import contextlib
import json
import multiprocessing
import os
import sqlite3
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

from tlkit.studies.cell_measurement import StudyCell
from tlkit.studies.grid import Grid
from tlkit.studies.store import pack
from tlkit.studies.study import Study
from tlkit.studies.study_results import StudyResults


class Toy:
    """Stands for a measurement: it notes each cell that it runs in a file, and fails for seeds of a list."""

    def __init__(self, log=None, failing=(), work_s=0.0):
        self.log, self.failing, self.work_s = log, failing, work_s

    def __call__(self, cell):
        end = time.perf_counter() + self.work_s
        while time.perf_counter() < end:
            pass
        if self.log:
            with open(self.log, "a") as file:  # one short line is appended whole
                file.write(f"{os.getpid()} {cell.key}\n")
        if cell.seed in self.failing:
            return ValueError(f"seed {cell.seed}")
        share = (cell.seed * 7 + len(cell.strategy)) % 10 / 10
        row = {"fold": cell.seed % 5, "accuracy": share, "balanced_accuracy": share / 3, "n_train": 2, "n_steps": 1}
        row |= {"duration_s": 1.0, "peak_memory_mib": 1.0, "wall_s": 2.0}
        names = [f"{cell.seed}/{number}" for number in range(5)]
        columns = {"picture": names, "group": names, "label": list("ababa"), "predicted": list("aabba")}
        return row, pack(pd.DataFrame(columns | {"probability": [share / 7] * 5}))

    def prepare(self, cells):
        """Compute no features."""

    def may_fork(self, cell):
        return True


def make_toy(store, n_seeds=5, strategies=("base", "arm"), **settings):
    """Return a `Study` of made cells."""
    study = object.__new__(Study)
    StudyResults.__init__(study, store)
    cells = [
        StudyCell(f"{strategy} {seed}", "net", "n", "set", "s", 32, strategy, "{}", 1, seed)
        for seed in range(n_seeds)
        for strategy in strategies
    ]
    study._grid = Grid(cells, Toy(**settings), strategies[0], {})
    return study


def list_runs(log):
    """Return the keys of the cells that were run, in order."""
    return [line.split(" ", 1)[1] for line in Path(log).read_text().splitlines()] if Path(log).exists() else []


def read_rows(store):
    """Return {key: (row, predictions as bytes)} of the cells that are done."""
    if not Path(store).exists():
        return {}
    with contextlib.closing(sqlite3.connect(store)) as connection, contextlib.suppress(sqlite3.OperationalError):
        rows = connection.execute("SELECT key, row, predictions FROM cells WHERE state = 'done'").fetchall()
        return {key: (json.loads(row), predictions) for key, row, predictions in rows}
    return {}


def _run(study, shown, n_workers):
    """Run a study in a process of its own, which notes each row that `on_run` shows."""
    sys.modules.pop("openvino", None)  # of other tests in the process that this one was forked from

    def note(row, predictions):
        with open(shown, "a") as file:
            file.write(f"{os.getpid()} {row['key']}\n")

    with warnings.catch_warnings(record=True) as caught:  # otherwise pytest would keep them
        warnings.simplefilter("always")
        is_complete = study.run(n_workers, progress=False, on_run=note)
    for warning in caught:
        print(f"Warning: {warning.message}", file=sys.stderr)
    raise SystemExit(0 if is_complete else 3)


@contextlib.contextmanager
def running(study, shown, n_workers=2):
    """Start a process that runs a study, and give it; it is ended at the end."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(study, shown, n_workers))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_until(condition, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
