"""The engine of a cluster: cells of a study are run by the workers of any `distributed.Client`."""

from tlkit.cpu.cluster import share
from tlkit.studies.cell_measurement import SourceError


def run_on_client(measurement, cells, *, client):
    """Yield (cell, outcome) as cells end; this process alone writes the store."""
    # A worker that lacks a network or pictures ends the run: as failures of its cells they would be false.
    return share(client, lambda: measurement, cells, unfit=SourceError)
