"""`compare_target_shots`: a few labelled target pictures with and without a source. Without torch."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.adaptation.domain_inputs import SharedFeatures, read_methods
from tlkit.adaptation.pair_results import BASELINE
from tlkit.adaptation.solved_head import Solved, solve_head
from tlkit.arguments import check_known, check_number
from tlkit.comparison.runner import read_counts, read_seeds, run_cells, tabulate
from tlkit.comparison.workers import check_workers
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.images.splits import N_FOLDS, draw_shots, split_for

ALONE = "target_only"
POOLED = "pooled"


def compare_target_shots(
    backbone: "tl.Backbone | str | Features",
    images: ImageSet,
    source: str | Sequence[str],
    target: str,
    methods: Sequence[str] | Mapping[str, object] = (BASELINE,),
    *,
    weights: float | str | Sequence[float | str] = (POOLED,),
    shots: int | Sequence[int] = (1, 2, 5, 10),
    seeds: int | Sequence[int] = 5,
    progress: bool = True,
    n_workers: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Solve heads on a few labelled target pictures per class, with and without a source.

    Hundreds of pooled pictures outvote a few shots, so weigh the source. Ctrl-C keeps finished seeds, as in `compare`.

    Parameters
    ----------
    backbone : Backbone, str or Features
        A backbone, its name, or the features of `images` in their order.
    images : ImageSet
        Pictures of two or more domains. All classes of the source are used, even if the target lacks some.
    source : str or list of str
        One or more domains; each is a source by itself. Pictures of tested concepts (groups) are excluded.
    target : str
        Another domain. Each seed tests one fold and draws the shots from the others, which methods see without labels.
    methods : list of str, or dict
        Methods that align the source with the target, as in `compare_pairs`; "source_only" is always included.
    weights : list of float or "pooled"
        Total weight of the source, as a multiple of that of the shots. If "pooled", all pictures count the same.
    shots : list of int
        Labelled target pictures per class, from different groups first; a class that has fewer gives all of them.
    seeds : int or list of int, default 5
        A number n stands for 0 to n - 1. Shots of one seed are nested. Use each fold equally often: 5, 10, 15.
    progress, n_workers : bool and int
        As in `compare`; one run at a time by default.

    Returns
    -------
    runs : DataFrame
        One row per run, for `tlkit.evaluation.transfer_gain` with baseline "target_only":

        - strategy (str): "target_only", or the source with its method and weight, such as "sketch, coral, pooled".
        - source (str), method (str), weight (float or "pooled"): settings of the source; None without a source.
        - shots (int), seed (int), fold (int): identify the draw; all arms of a draw share shots and test pictures.
        - n_train (int): number of training pictures.
        - accuracy, balanced_accuracy (float): scores on the test fold, 0 to 1.
    predictions : DataFrame
        One row per test picture and run: picture, group, label, predicted (str), and the run as in `runs`.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, for example a method that isn't an objective solved on features.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> runs, _ = compare_target_shots(made, images, "photo", "sketch", shots=[1], seeds=2, progress=False)
    >>> tl.evaluation.transfer_gain(runs, baseline="target_only")[["strategy", "shots", "gain"]].values.tolist()
    [['photo, pooled', 1, 0.0]]
    """
    n_workers, seeds, shots = check_workers(n_workers), read_seeds(seeds), read_counts("shots", shots, 1)
    methods, weights = read_methods(methods, may_tune=False), _read_weights(weights)
    sources = _read_sources(images, source, target)
    arms = [(ALONE, None, None, None)]
    arms += [(name_arm(*arm), *arm) for arm in itertools.product(sources, methods, weights)]
    draws = itertools.product(seeds, shots)
    cells = [_Cell(*arm, n_shots, seed, seed % N_FOLDS) for seed, n_shots in draws for arm in arms]
    runner = _ShotRunner(backbone, images, target, methods, len(arms))
    options = {"units": "seeds", "title": "shots", "progress": progress, "n_workers": n_workers}
    results = run_cells(cells, runner, runner.features.read, unit_of=lambda cell: cell.seed, **options)
    return tabulate(results, ["strategy", "shots", "seed", "fold"])


def name_arm(source, method, weight):
    """Return the name of an arm of `compare_target_shots` with a source."""
    aligned = source if method == BASELINE else f"{source}, {method}"
    return f"{aligned}, {POOLED}" if weight == POOLED else f"{aligned} × {weight:g}"


def _read_weights(weights):
    """Return one or more different weights as a list."""
    weights = np.asarray(weights, object).reshape(-1).tolist()
    for weight in weights:
        check_number("weights", weight, above=0, or_text=POOLED, hint=f'; the baseline "{ALONE}" has no source')
    if len(set(weights)) != len(weights) or not weights:
        raise ValueError(f"weights: {weights}, expected one or more without repetition")
    return weights


def _read_sources(images, source, target):
    """Return one or more different domains as a list, without the target."""
    known = sorted(set(images.domains.tolist()))
    sources = check_known("source", source, known)
    check_known("target", [target], known)
    if target in sources or len(set(sources)) != len(sources) or not sources:
        raise ValueError(f"source: {source!r}, expected one or more domains, each once, and not the target {target!r}")
    return sources


class _Cell(NamedTuple):
    """One run: a head on shots of the target, with a source or without."""

    strategy: str
    source: str | None
    method: str | None
    weight: float | str | None
    shots: int
    seed: int
    fold: int

    def __str__(self):
        return f"{self.strategy}, {self.shots} shots, seed {self.seed}"


class _ShotRunner:
    """Runs a `_Cell`; what several arms of a seed need is kept until the next seed."""

    def __init__(self, backbone, images, target, methods, n_arms):
        self.images, self.target_images, self.methods = images, images.select(domain=target), methods
        self.features = SharedFeatures(backbone, images)
        self.split, self.align = functools.lru_cache(1)(self._split), functools.lru_cache(n_arms)(self._align)

    def __call__(self, cell):
        """Return (Evaluation on the test fold, number of training pictures and scores as a dict) of a run."""
        adapted, tested = self.split(cell.seed)
        columns = adapted.labels, adapted.groups, adapted.names, self.images.classes
        few = adapted[draw_shots(*columns, shots=cell.shots, seed=cell.seed)]
        values, labels, weights = few.values, few.labels, np.ones(len(few))
        if cell.source:
            source_values, source_labels = self.align(cell.seed, cell.source, cell.method)
            weight = 1.0 if cell.weight == POOLED else cell.weight * len(few) / len(source_labels)
            values, labels = np.concatenate([source_values, values]), np.concatenate([source_labels, labels])
            weights = np.concatenate([np.full(len(source_labels), weight), weights])
        head = Solved(*solve_head(values, labels, len(self.images.classes), weights=weights), None)
        evaluation = evaluate_probabilities(head.predict(tested.values), tested)
        scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
        return evaluation, {"n_train": len(labels)} | scores

    def _split(self, seed):
        """Return (Features of the target to draw shots from, Features of the test fold)."""
        features = self.features.read()
        _, *sides = split_for(self.target_images, seed)
        return [features[np.isin(self.images.names, side.names)] for side in sides]

    def _align(self, seed, source, method):
        """Return (values, labels) of a source aligned with the target, without groups that are tested."""
        adapted, tested = self.split(seed)
        is_allowed = (self.images.domains == source) & ~np.isin(self.images.groups, tested.groups)
        given = self.features.read()[is_allowed]
        if method == BASELINE:
            return given.values, given.labels
        solved = self.methods[method].fit(given.values, given.labels, adapted.values, len(given.classes), seed)
        return solved.source, given.labels
