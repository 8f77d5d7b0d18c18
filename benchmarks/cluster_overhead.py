"""Milliseconds per empty run: in this process and through a local cluster of two workers that is up."""

import argparse
import time

from machine import describe_machine

from tlkit.studies.cell_measurement import run_on_client


def main():
    """Time empty cells three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-cells", type=int, default=2_000)
    n_cells = parser.parse_args().n_cells
    from distributed import Client, LocalCluster

    print(describe_machine())
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "memory_limit": 0}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        for _ in range(3):
            start = time.perf_counter()
            assert len(list(run_on_client(do_nothing, list(range(n_cells)), client=client))) == n_cells
            print(f"{n_cells:,} empty cells: {1000 * (time.perf_counter() - start) / n_cells:.2f} ms each")


def do_nothing(cell):
    """Return an outcome without any work."""
    return {"accuracy": 0.0}, None


if __name__ == "__main__":
    main()
