"""Replicate claims: run the measurements whose results are missing, and write them to the tables of the ledger."""

import collections
import time

import pandas as pd

import tlkit
from tlkit.claims.claim import summarise_effect
from tlkit.claims.ledger import find_claims, load_measurements, show
from tlkit.comparison.runner import run_cells
from tlkit.comparison.workers import check_workers
from tlkit.storage import written_whole
from tlkit.training.run_files import name_processor


class Replication(collections.namedtuple("Replication", "measurement choices")):
    """A combination of choices; its text stands in the bar."""

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in self.choices.items())


def replicate(*names, n_workers=1, again=False, progress=True):
    """Run the replications that the tables of claims lack, or all of them again; return the claims as `show` does."""
    # Claims that share a measurement are replicated together. What is finished is written at once, and kept on Ctrl-C.
    n_workers = check_workers(n_workers)
    wanted = {claim.name for claim in find_claims(*names)}
    cells = []
    for measurement in load_measurements():
        if wanted & set(measurement.claims):
            for claim in measurement.claims.values() if again else ():
                claim.path.unlink(missing_ok=True)
                _forget(claim)
            tables = [claim.replications for claim in measurement.claims.values()]
            for choices in measurement.replications:
                kept = [[_spell(row, choices) for row in table.to_dict("records")] for table in tables]
                if any(_spell(choices, choices) not in rows for rows in kept):
                    cells.append(Replication(measurement, choices))
    if cells:
        options = {"unit_of": str, "units": "replications", "title": "replications", "on_result": _keep}
        options |= {"progress": progress, "n_workers": n_workers}
        run_cells(cells, lambda cell: measure(*cell), lambda progress, in_fork: None, **options)
    return show(*names)


def measure(measurement, choices):
    """Return {claim: (effect, low, high)} of a replication, and its duration in seconds."""
    started = time.perf_counter()
    results = measurement.function(**choices)
    duration_s = time.perf_counter() - started
    if not isinstance(results, dict) or set(results) != set(measurement.claims):
        name = measurement.function.__name__
        raise ValueError(f"{name}: it returned {sorted(results)}, expected {sorted(measurement.claims)}")
    return {name: summarise_effect(name, result) for name, result in results.items()}, duration_s


def _spell(row, choices):
    """Return the levels of a row as texts; a number that a table has as 3 is also written so if it is 3.0 here."""
    return [f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in choices]


def _keep(cell, result):
    """Write a replication to the tables of its claims, in the order of the choices."""
    effects, duration_s = result
    for name, (effect, low, high) in effects.items():
        claim = cell.measurement.claims[name]
        row = cell.choices | {"effect": effect, "low": low, "high": high, "holds": claim.holds(low, high)}
        row |= {"processor": name_processor(), "version": tlkit.__version__, "duration_s": round(duration_s, 1)}
        kept = [*claim.replications.to_dict("records"), row]
        known = [_spell(one, cell.choices) for one in kept]
        order = [_spell(choices, cell.choices) for choices in cell.measurement.replications]
        rows = [kept[known.index(wanted)] for wanted in order if wanted in known]
        with written_whole(claim.path) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
        _forget(claim)


def _forget(claim):
    """Let a claim read its table anew."""
    claim.__dict__.pop("replications", None)
