"""The engine of one machine: cells of a study are run by this process and by others that are forked from it.

An engine is a generator, `engine(measurement, cells)`: it yields (cell, outcome) as cells end. An outcome is a row
(dict) with predictions (DataFrame), or an exception. Whoever calls it writes the store.
"""

import contextlib

from tlkit.comparison.runner import share_cells


def run_forked(measurement, cells, *, n_workers=1):
    """Yield (cell, outcome) as cells end; one worker is this process alone."""

    def prepare(progress, in_fork):
        if in_fork:  # otherwise features are computed when a cell needs them
            measurement.prepare(cells)

    options = {"n_workers": n_workers, "may_fork": measurement.may_fork}
    with contextlib.closing(share_cells(cells, measurement, prepare, **options)) as shared:
        for index, outcome in shared:
            yield cells[index], outcome
