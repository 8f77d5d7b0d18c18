"""One runner for all comparisons: it runs cells here and in worker processes, and keeps whole units on Ctrl-C.

A cell is a small record that describes one run. Without torch, unless there are workers.
"""

import contextlib
import sys

import numpy as np
import pandas as pd

from tlkit.arguments import check_count
from tlkit.comparison.workers import Helpers, call_in_fork
from tlkit.notices import show_progress, warn


def read_seeds(seeds):
    """Return seeds as a list of int; a single number n stands for 0 to n - 1."""
    return list(range(check_count("seeds", seeds, 1))) if np.ndim(seeds) == 0 else read_counts("seeds", seeds, 0)


def read_counts(argument, values, lowest):
    """Return one or more different whole numbers of at least `lowest` as a list of int."""
    values = [check_count(argument, value, lowest) for value in ([values] if np.ndim(values) == 0 else values)]
    if not values or len(set(values)) != len(values):
        raise ValueError(f"{argument}: {values}, expected one or more whole numbers without repetition")
    return values


def tabulate(results, columns):
    """Return (runs, predictions), DataFrames of [(cell, (Evaluation, row))]; `columns` of a cell go to predictions."""
    tables = []
    for cell, (evaluation, _) in results:
        table = evaluation.predictions[["picture", "group", "label", "predicted"]]
        tables.append(table.assign(**{name: getattr(cell, name) for name in columns}))
    return pd.DataFrame([cell._asdict() | row for cell, (_, row) in results]), pd.concat(tables, ignore_index=True)


def share_cells(cells, run, prepare, *, n_workers, may_fork=None, progress=False, bar=None):
    """Yield (index, run(cell)) of each cell as it ends, of this process and of forked ones."""
    # `prepare(progress, in_fork)` computes features that runs share. A process of its own writes those on disk and
    # frees its memory. This one prepares after the workers are forked, since OpenVINO's threads don't survive a fork.
    forked = [index for index, cell in enumerate(cells) if may_fork is None or may_fork(cell)]
    own = sorted(set(range(len(cells))) - set(forked))
    n_helpers = max(0, min(n_workers, len(forked)) - 1)
    if n_helpers:  # a bar of a notebook wouldn't show in the other process
        if bar is not None:
            bar.set_postfix_str("features of all pictures")
        call_in_fork(lambda: prepare(progress and sys.stderr and sys.stderr.isatty(), True))
    helpers = Helpers(lambda index: run(cells[index]), n_helpers, describe=lambda index: str(cells[index]))
    with contextlib.closing(helpers):
        prepare(progress, False)
        if bar is not None:
            bar.unpause()  # the time left depends on runs alone
        yield from ((index, run(cells[index])) for index in own)
        yield from helpers.share(forked)


def run_cells(cells, run, prepare, *, unit_of, units, progress, n_workers, may_fork=None, on_result=None, title):
    """Return [(cell, run(cell))] in the order of `cells`; after Ctrl-C, those of units whose cells are all finished."""
    results = {}
    options = {"n_workers": n_workers, "may_fork": may_fork, "progress": progress}
    with (
        show_progress(len(cells), title, "run", progress, leave=True) as bar,
        contextlib.closing(share_cells(cells, run, prepare, bar=bar, **options)) as shared,
    ):
        try:
            for index, result in shared:
                results[index] = result
                if on_result:
                    on_result(cells[index], result)
                bar.set_postfix_str(str(cells[index]), refresh=False)
                bar.update()
        except KeyboardInterrupt:
            unfinished = {unit_of(cell) for index, cell in enumerate(cells) if index not in results}
            finished = {unit_of(cell) for cell in cells} - unfinished
            if not finished:
                raise
            warn(f"interrupted; the {len(finished)} {units} that all arms have finished are kept")
            results = {index: result for index, result in results.items() if unit_of(cells[index]) in finished}
    return [(cells[index], results[index]) for index in sorted(results)]
