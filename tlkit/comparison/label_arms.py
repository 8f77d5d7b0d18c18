"""The arms of a comparison on pictures with several labels each: linear probes, scored by mean average precision."""

import dataclasses

import numpy as np
import pandas as pd

from tlkit.comparison.arms import HAND_MADE, ArmCell, ArmRunner
from tlkit.comparison.runner import run_cells
from tlkit.evaluation.multilabel_evaluation import list_pseudo_values
from tlkit.notices import warn
from tlkit.strategies.probe import Probe

SCORE = "mean_average_precision"


class LabelArmRunner(ArmRunner):
    """Runs probes on pictures with several labels each; hand-made features get a logistic head too."""

    def __init__(self, backbone, images, arms, *options):
        super().__init__(backbone, images, arms, *options)
        self.probes |= {HAND_MADE: Probe("logistic", name=HAND_MADE)} if HAND_MADE in arms else {}
        for name, probe in self.probes.items():
            if probe is None or probe.kind != "logistic":
                kinds = "'linear_probe', tl.Probe('logistic', …) or 'hand_made'"
                raise ValueError(f"strategies: {name!r}, but several labels per picture are only compared by {kinds}")

    def __call__(self, cell):
        """Return (MultiLabelEvaluation, its score and costs as a dict) of a run."""
        train, test = self.draws[cell.shots, cell.seed]
        with self._warning_once(cell.seed):
            evaluation, costs = self._probe(cell.strategy, train, test, cell.seed)
        return evaluation, {SCORE: evaluation.mean_average_precision, "n_train": len(train)} | costs


def compare_labels(summarise, inputs, on_run=None, **settings):
    """Return the `Comparison` that `summarise(runs, predictions)` makes of all runs, with its score named as it is."""
    runner = LabelArmRunner(*inputs)
    settings |= {"unit_of": lambda cell: cell.seed, "units": "seeds", "may_fork": runner.needs_training}
    settings |= {"on_result": on_run and (lambda *result: on_run(*_tabulate([result])))}
    results = run_cells(runner.cells, runner, runner.extract, **settings)
    if left_out := sorted({name for _, (evaluation, _) in results for name in evaluation.left_out}):
        warn(f"images: no test picture of some seed has {', '.join(left_out)}, so its mean leaves these labels out")
    # Only if seeds share their test pictures, the interval needs a worth per group of pictures.
    worth = None if len({cell.fold for cell, _ in results}) > 1 else pd.concat(map(_list_worth, results))
    runs, predictions = _tabulate(results)
    comparison = summarise(runs.rename(columns={SCORE: "accuracy"}).assign(balanced_accuracy=np.nan), worth)
    table = comparison.table.drop(columns="balanced_accuracy")
    table = table.rename(columns=lambda name: name.replace("accuracy", SCORE))
    return dataclasses.replace(comparison, runs=runs, predictions=predictions, table=table)


def _tabulate(results):
    """Return (runs, predictions) of results: a row per run, and a row per run, test picture and label."""
    tables = [evaluation.predictions.assign(**cell._asdict()) for cell, (evaluation, _) in results]
    predictions = pd.concat(tables, ignore_index=True)
    predictions = predictions[[*ArmCell._fields, "picture", "group", "label", "has_label", "probability"]]
    return pd.DataFrame([cell._asdict() | row for cell, (_, row) in results]), predictions


def _list_worth(result):
    """Return the pseudo-values of a run as predictions in `transfer_gain`, one row per block of groups."""
    cell, (evaluation, _) = result
    values = list_pseudo_values(evaluation)
    blocks = np.arange(len(values)).astype(str)
    columns = {"picture": blocks, "group": blocks, "label": "", "predicted": "", "worth": values}
    return pd.DataFrame(columns).assign(**cell._asdict())
