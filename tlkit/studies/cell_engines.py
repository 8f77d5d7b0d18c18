"""The engines of studies: cells are run by this process and forks of it, or by the workers of a dask cluster.

An engine is a generator, `engine(measurement, cells)`: it yields (cell, outcome) as cells end. An outcome is a row
(dict) with packed predictions, or an exception. Whoever calls it writes the store.
"""

import contextlib

from tlkit.comparison.runner import share_cells
from tlkit.studies.cell_measurement import SourceError


def run_forked(measurement, cells, *, n_workers=1):
    """Yield (cell, outcome) as cells end; one worker is this process alone."""
    # In this process, features are computed when a cell needs them.
    request = cells, measurement, lambda progress, in_fork: in_fork and measurement.prepare(cells)
    with contextlib.closing(share_cells(*request, n_workers=n_workers, may_fork=measurement.may_fork)) as shared:
        yield from ((cells[index], outcome) for index, outcome in shared)


def run_on_client(measurement, cells, *, client):
    """Yield (cell, outcome) as the workers of a `distributed.Client` end cells."""
    from tlkit.cpu.cluster import share

    # A worker that lacks a network or pictures ends the run: as failures of its cells they would be false.
    return share(client, lambda: measurement, cells, unfit=SourceError)
