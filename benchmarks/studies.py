"""What a study costs beside its runs: milliseconds per empty cell, and the hours of a grid from a few trial runs.

The empty cells are run by this process, by forked workers, and by forked workers with the store on disk.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

import tlkit as tl
from tlkit.studies.cell_measurement import StudyCell, run_forked
from tlkit.studies.store import Store, pack

PREDICTIONS = pd.DataFrame(
    {name: ["a"] * 20 for name in ("picture", "group", "label", "predicted")} | {"probability": 0.5}
)
STRATEGIES = ["from_scratch", "hand_made", "linear_probe", "fine_tune", "lp_ft", "last_2_stages", "gradual"]
STRATEGIES += ["surgical_last", "l2_sp", "bitfit", "lora", "wise_ft"]


class Empty:
    """A measurement that does nothing."""

    def __call__(self, cell):
        return {"accuracy": 0.5}, pack(PREDICTIONS)

    def prepare(self, cells):
        """Do nothing."""

    def may_fork(self, cell):
        return True


def measure_overhead(n_cells, n_workers, folder=None):
    """Return milliseconds per empty cell, with a store if there is a folder."""
    cells = [StudyCell(str(seed), "n", "n", "s", "s", 32, "arm", "{}", 1, seed) for seed in range(n_cells)]
    started = time.perf_counter()
    if folder is None:
        n = sum(1 for _ in run_forked(Empty(), cells, n_workers=n_workers))
    else:
        store, n = Store(Path(folder) / "study.sqlite"), 0
        with store.writing(n_workers):
            store.plan(cells, {})
            for cell, outcome in run_forked(Empty(), cells, n_workers=n_workers):
                store.keep(cell, outcome)
                n += 1
    assert n == n_cells
    return 1000 * (time.perf_counter() - started) / n_cells


def main():
    """Print overheads, and the estimate of a grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=0, help="trial runs of twelve strategies on clip-art, 0 for none")
    parser.add_argument("--store", type=Path, help="keep the trial runs here")
    arguments = parser.parse_args()
    import torch  # noqa: F401  its import is no overhead of a cell

    print(f"{arguments.cells} empty cells, milliseconds per cell")
    print(f"this process: {measure_overhead(arguments.cells, 1):.3f}")
    print(f"2 forked workers: {measure_overhead(arguments.cells, 2):.3f}")
    for kind in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            print(f"{kind} worker(s), with the store: {measure_overhead(arguments.cells, kind, folder):.3f}")
    if arguments.trials:
        with tempfile.TemporaryDirectory() as folder:
            store = arguments.store or Path(folder) / "study.sqlite"
            study = tl.Study("efficientnet_lite0", None, STRATEGIES, [1, 2, 5, 10], 10, store=store)
            print(study.estimate(arguments.trials))
            print(study.runs.groupby("strategy")["wall_s"].mean().round(2).to_string())


if __name__ == "__main__":
    main()
