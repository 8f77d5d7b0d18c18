"""Studies of tiny made cells on clusters of this machine; as a program, a client that tests may kill."""

import contextlib
import math
import os
import sys
import time
from pathlib import Path

import pandas as pd

from tlkit.studies.cell_measurement import StudyCell, run_on_client
from tlkit.studies.store import Store, pack

# Options that all clusters of tests share.
LOCAL = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "memory_limit": 0}


class Toy:
    """Stands for a measurement: notes each cell that begins in a file, and computes for a time, the last for longer."""

    def __init__(self, log, work_s=0.0, n_short=math.inf, long_s=0.0):
        self.log, self.work_s, self.n_short, self.long_s = log, work_s, n_short, long_s

    def __call__(self, cell):
        with open(self.log, "a") as file:  # one short line is appended whole
            file.write(f"{os.getpid()} {cell.key}\n")
        end = time.perf_counter() + (self.work_s if cell.seed < self.n_short else self.long_s)
        while time.perf_counter() < end:
            pass
        share = cell.seed % 7 / 7
        return {"accuracy": share}, pack(pd.DataFrame({"picture": [f"{cell.seed}"], "probability": [share / 3]}))


def list_cells(n):
    return [StudyCell(f"cell {seed}", "net", "n", "set", "s", 32, "arm", "{}", 1, seed) for seed in range(n)]


def run_toy(store, client, n_cells, toy, on_row=lambda key: None):
    """Run the cells that a store lacks, as `Study.run` does."""
    store, cells = Store(store), list_cells(n_cells)
    with store.writing(1):
        store.plan(cells, {})
        done = {key for (key,) in store.read("SELECT key FROM cells WHERE state = 'done'")}
        missing = [cell for cell in cells if cell.key not in done]
        with contextlib.closing(run_on_client(toy, missing, client=client)) as outcomes:
            for cell, outcome in outcomes:
                store.keep(cell, outcome)
                on_row(cell.key)


def read_rows(store):
    """Return {key: (row, predictions)} of the cells that are done, and the number of failed ones."""
    rows = Store(store).read("SELECT key, row, predictions FROM cells WHERE state = 'done'")
    ((n_failed,),) = Store(store).read("SELECT count(*) FROM cells WHERE state = 'failed'")
    return {key: values for key, *values in rows}, n_failed


def list_begun(log):
    """Return the keys of the cells that were begun, in order."""
    return [line.split(" ", 1)[1] for line in Path(log).read_text().splitlines()] if Path(log).exists() else []


def wait_until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def main(file, store, log, n_cells, *toy):
    """Run cells on the cluster of a file, and print each row that is stored; Ctrl-C ends it."""
    from tlkit.studies.study_file import open_cluster

    try:
        with open_cluster(file) as client:
            print("workers", *client.run(os.getpid).values(), flush=True)
            run_toy(store, client, int(n_cells), Toy(log, *map(float, toy)), lambda key: print("row", key, flush=True))
    except KeyboardInterrupt:
        raise SystemExit(3) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
