"""`compare_pairs`: every method on every ordered pair of domains. Without torch, unless a method tunes a network."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

import tlkit as tl
from tlkit.adaptation import validators
from tlkit.adaptation.domain_inputs import SharedFeatures, read_methods, read_pairs, split_rows, tunes
from tlkit.adaptation.pair_results import ORACLE, PairComparison
from tlkit.adaptation.solved_head import Solved, solve_head
from tlkit.adaptation.solved_objectives import weigh_source
from tlkit.adaptation.validators import detect_collapse
from tlkit.arguments import check_count
from tlkit.comparison.runner import read_seeds, run_cells, tabulate
from tlkit.comparison.workers import check_workers
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.images.splits import assign_folds


def compare_pairs(
    backbone: "tl.Backbone | str | Features",
    images: ImageSet,
    methods: Sequence[str] | Mapping[str, object] | None = None,
    *,
    domains: Sequence[str] | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    seeds: int | Sequence[int] = 5,
    n_folds: int = 3,
    progress: bool = True,
    n_workers: int = 1,
) -> PairComparison:
    """Adapt from each domain to every other one, and score the result on held-out pictures of the target.

    Only the oracle uses labels of the target, and the oracle is not a method. Ctrl-C ends the comparison and keeps the
    splits (a pair with a seed) that all methods have finished; without any, it raises KeyboardInterrupt.

    Parameters
    ----------
    backbone : Backbone, str or Features
        A backbone, its name, or the features of `images` in their order. Methods that tune a network need a backbone.
    images : ImageSet
        Pictures of two or more domains. Each pair uses the classes that both domains have, see `split_pair`.
    methods : list of str, or dict, optional
        Names from `tlkit.adaptation.names()`; by default all that tune no network, which take seconds per split instead
        of up to two minutes. A dict names objectives and strategies, as in {"mine": Align("coral")}.
    domains, pairs : list of str, and list of (source, target), optional
        Domains to pair, by default all of the images; or pairs to compare instead.
    seeds : int or list of int, default 5
        Each seed splits every pair anew; a number n stands for 0 to n - 1.
    n_folds : int, default 3
        Number of folds of the source for the validators that need its labels. 0 skips these and the circular validator,
        which saves time. Methods that tune a network have none of these, nor the validator that mixes features.
    progress, n_workers : bool and int
        As in `compare`; one run at a time by default.

    Returns
    -------
    PairComparison
        Scores and validators per run, predictions per picture, and tables of means and regrets.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, for example a method that tunes a network when there are only features.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14, 4)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> compare_pairs(made, images, ["align_mean"], seeds=1, n_folds=0, progress=False).table.method.tolist()
    ['source_only', 'align_mean', 'oracle']
    """
    n_workers, seeds = check_workers(n_workers), read_seeds(seeds)
    methods = read_methods(methods, may_tune=not isinstance(backbone, Features))
    pairs = read_pairs(images, domains, pairs)
    n_folds = check_count("n_folds", n_folds, 2) if n_folds else 0
    runner = _PairRunner(backbone, images, methods, n_folds)
    names = [*sorted(methods, key=lambda name: tunes(methods[name])), ORACLE]  # those that are solved come first
    cells = [_Cell(*pair, seed, name) for pair in pairs for seed in seeds for name in names]
    options = {"units": "splits", "title": "pairs", "progress": progress, "n_workers": n_workers}
    options |= {"unit_of": lambda cell: (cell.source, cell.target, cell.seed)}
    results = run_cells(cells, runner, runner.features.read, **options)
    described = {
        name: method.describe() if tunes(method) else {"function": type(method).__name__} | dataclasses.asdict(method)
        for name, method in methods.items()
    }
    description = {"features": runner.features.read().provenance, "methods": described, "seeds": seeds}
    return PairComparison(*tabulate(results, _Cell._fields), description)


class _Cell(NamedTuple):
    """One run: a method on a pair of domains, split with a seed."""

    source: str
    target: str
    seed: int
    method: str

    def __str__(self):
        return f"{self.source} → {self.target}, seed {self.seed}, {self.method}"


class _PairRunner:
    """Runs a `_Cell`; methods that a process runs on one split in turn share its features and weights."""

    def __init__(self, backbone, images, methods, n_folds):
        self.backbone, self.images, self.methods, self.n_folds = backbone, images, methods, n_folds
        self.features = SharedFeatures(backbone, images)
        self.split, self.weigh = functools.lru_cache(1)(self._split), functools.lru_cache(1)(self._weigh)

    def __call__(self, cell):
        """Return (Evaluation on the test half, its scores, sizes, validators and duration as a dict) of a run."""
        method = self.methods.get(cell.method)  # None: the oracle
        evaluation, row = (self._tune if tunes(method) else self._solve)(method, cell.source, cell.target, cell.seed)
        scores = {"balanced_accuracy": evaluation.balanced_accuracy, "accuracy": evaluation.accuracy}
        return evaluation, scores | row

    def _solve(self, method, *split):
        """Return (Evaluation, row) of a method that is solved on features."""
        _, source, adapted, tested = self.split(*split)
        seed, n_classes = split[-1], len(source.classes)
        row = {"n_source": len(source), "n_adapt": len(adapted), "n_test": len(tested)}
        if method is None:
            oracle = Solved(*solve_head(adapted.values, adapted.labels, n_classes), None)
            return evaluate_probabilities(oracle.predict(tested.values), tested), row
        start = time.perf_counter()
        solved = method.fit(source.values, source.labels, adapted.values, n_classes, seed)
        row["duration_s"] = time.perf_counter() - start
        probabilities = solved.predict(adapted.values)
        priors = np.bincount(source.labels, minlength=n_classes) / len(source)
        row |= _score(probabilities, priors)
        row["mixed"] = validators.score_mixed(solved.predict, adapted.values, seed=seed)
        if self.n_folds:
            folds, weights = self.weigh(*split)
            held_out = _hold_out(method, source, adapted, folds, seed)
            inputs = source.values, source.labels, adapted.values, probabilities.argmax(axis=1), n_classes
            row |= {
                "source_accuracy": validators.score_source_accuracy(held_out, source.labels),
                "importance_weighted": validators.score_importance_weighted(held_out, source.labels, weights),
                "deep_embedded": validators.score_deep_embedded(held_out, source.labels, weights),
                "circular": validators.score_circular(method, *inputs, seed),
            }
        return evaluate_probabilities(solved.predict(tested.values), tested), row

    def _tune(self, strategy, *split):
        """Return (Evaluation, row) of a strategy that trains a network."""
        from tlkit.adaptation.adapt import adapt, share_classes

        source, adapted, tested = (self.images[rows] for rows in self.split(*split)[0])
        run = adapt(self.backbone, source, adapted, strategy, seed=split[-1], progress=False)
        if not run.completed:
            raise KeyboardInterrupt
        source, adapted = share_classes(source, adapted)
        priors = np.bincount(source.labels, minlength=len(run.classes)) / len(source)
        row = {"n_source": len(source), "n_adapt": len(adapted), "n_test": len(tested), "duration_s": run.duration_s}
        return run.evaluate(tested), row | _score(run.predict(adapted), priors)

    def _split(self, source, target, seed):
        """Return (rows, Features of the source, of the half to adapt to, of the half to test on)."""
        images = self.images
        rows = split_rows(images.labels, images.groups, images.domains, images.classes, source, target, seed=seed)
        return rows, *(self.features.read()[part] for part in rows)

    def _weigh(self, source, target, seed):
        """Return (folds, importance weights) of the source, each (n_source,)."""
        _, source, adapted, _ = self.split(source, target, seed)
        folds = assign_folds(source.labels, source.groups, self.n_folds, seed)
        return folds, weigh_source(source.values, adapted.values, source.groups, adapted.groups, seed=seed)


def _score(probabilities, priors):
    """Return the alarm and the validators that need no label, from probabilities of the half to adapt to."""
    return {
        "alarm": detect_collapse(probabilities, priors),
        "entropy": validators.score_entropy(probabilities),
        "information_maximisation": validators.score_information_maximisation(probabilities),
        "bnm": validators.score_bnm(probabilities),
        "neighbourhood_density": validators.score_neighbourhood_density(probabilities),
        "norm": validators.score_norm(probabilities),
    }


def _hold_out(method, source, adapted, folds, seed):
    """Return the probabilities of each source picture when its label is hidden, (n_source, n_classes)."""
    n_classes = len(source.classes)
    probabilities = np.empty((len(source), n_classes))
    for fold in np.unique(folds):
        is_held = folds == fold
        labels = np.where(is_held, -1, source.labels)
        solved = method.fit(source.values, labels, adapted.values, n_classes, seed)
        probabilities[is_held] = solved.predict(solved.source[is_held])
    return probabilities
