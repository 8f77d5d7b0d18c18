"""Replicate claims: run the measurements whose results are missing, and write them to the tables of the ledger."""

import collections
import time

import pandas as pd

import tlkit
from tlkit.claims.claim import summarise_effect
from tlkit.claims.ledger import find_claims, find_different, load_measurements, show
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
                claim.__dict__.pop("replications", None)  # so that its table is read anew
            for choices in measurement.replications:
                if any(_spell(choices, claim) not in _list_kept(claim) for claim in measurement.claims.values()):
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


def _spell(row, claim):
    """Return the levels of a claim's choices as texts (tuple); a 3.0 is written as 3, since a table may have it so."""
    return tuple(f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in claim.choices)


def _list_kept(claim):
    """Return the rows of a claim's table by their levels."""
    return {_spell(row, claim): row for row in claim.replications.to_dict("records")}


def _keep(cell, result):
    """Write a replication to the tables of its claims that lack it, in the order of the choices."""
    effects, duration_s = result
    for name, (effect, low, high) in effects.items():
        claim = cell.measurement.claims[name]
        row = {name: cell.choices[name] for name in claim.choices}
        row |= {"effect": effect, "low": low, "high": high, "holds": claim.holds(low, high)}
        row |= {"processor": name_processor(), "version": tlkit.__version__, "duration_s": round(duration_s, 1)}
        kept = {_spell(row, claim): row} | _list_kept(claim)
        order = [_spell(choices, claim) for choices in find_different(cell.measurement.replications, claim.choices)]
        with written_whole(claim.path) as temporary:
            rows = [kept[levels] for levels in order if levels in kept]
            pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
        claim.__dict__.pop("replications", None)
