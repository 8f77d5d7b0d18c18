"""`compare_pairs`: every method on every ordered pair of domains. Without torch, unless a method tunes a network."""

import dataclasses
import itertools
import time

import numpy as np
from tqdm.auto import tqdm

from tlkit.adaptation.collapse import detect_collapse
from tlkit.adaptation.domain_inputs import _tunes, read_domains, read_features, read_methods
from tlkit.adaptation.importance_weights import weigh_source
from tlkit.adaptation.pair_results import ORACLE, PairComparison
from tlkit.adaptation.pair_split import place_pair
from tlkit.adaptation.refit_validators import score_circular, score_mixed
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.source_validators import (
    score_deep_embedded,
    score_importance_weighted,
    score_source_accuracy,
)
from tlkit.adaptation.validators import (
    score_bnm,
    score_entropy,
    score_information_maximisation,
    score_neighbourhood_density,
    score_norm,
)
from tlkit.arguments import check_count
from tlkit.evaluation.scores import Evaluation
from tlkit.features.features import Features
from tlkit.heads.numerics import softmax
from tlkit.images.splits import assign_folds


def compare_pairs(backbone, images, methods=None, *, domains=None, pairs=None, seeds=5, n_folds=3, progress=True):
    """Adapt from each domain to each other one, and score the result on pictures of the other.

    No label of a target trains or chooses anything, but those of the oracle, which is not a method.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        Features are those of `images`, in their order; no network can be tuned from them.
    images: ImageSet
        Of two domains or more; only classes that both of a pair have are taken. See `split_pair`.
    methods: list of str, or dict, optional
        Names of `tlkit.adaptation.solved_methods.METHODS`, by default all of these, which take seconds, or of
        `tlkit.adaptation.names()`, where those that tune a network take up to two minutes for each pair and seed; or
        objectives and strategies by names of one's own, such as {"mine": Align("coral", amount=0.5)}.
    domains: list of str, optional
        By default all of the images; every one is the source of every other.
    pairs: list of (source, target), optional
        These alone, instead of all pairs of `domains`.
    seeds: int or list of int
        Each splits every pair anew; the number stands for 0 to seeds - 1.
    n_folds: int
        In how many parts the source is held out in turn, groups whole, for the validators that need its labels; 0
        leaves these validators out, and the circular one, and is that much faster. They are left out where a network
        is tuned, as is the one that mixes features.
    progress: bool

    Returns a `PairComparison`. Raises ValueError or TypeError for methods, domains or features that don't fit.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> values = np.random.default_rng(0).normal(size=(len(images), 4)).astype(np.float32)
    >>> made = Features(values, images.labels, images.classes, images.names, images.groups, {"backbone": "made"})
    >>> compared = compare_pairs(made, images, ["align_mean"], seeds=1, n_folds=0, progress=False)
    >>> compared.table.method.tolist()
    ['source_only', 'align_mean', 'oracle']
    """
    import pandas as pd

    methods = read_methods(methods, may_tune=not isinstance(backbone, Features))
    pairs = list(itertools.permutations(read_domains(images, domains), 2)) if pairs is None else list(pairs)
    seeds = list(range(check_count("seeds", seeds, 1))) if np.ndim(seeds) == 0 else list(seeds)
    if n_folds:
        n_folds = check_count("n_folds", n_folds, 2)
    features = read_features(backbone, images, progress)
    cells = [(*pair, seed) for pair in pairs for seed in seeds]
    runs, predictions = [], []
    for source, target, seed in tqdm(cells, desc="pairs", unit="split", disable=not progress, leave=False):
        places = place_pair(images.labels, images.groups, images.domains, images.classes, source, target, seed=seed)
        learned, adapted, tested = (features[rows] for rows in places)
        cell = {"source": source, "target": target, "seed": seed}
        solved = {name: method for name, method in methods.items() if not _tunes(method)}
        parts = [images[rows] for rows in places]
        results = [*_run_cell(learned, adapted, tested, solved, seed, n_folds)]
        results[-1:-1] = [  # before the oracle
            (name, *_tune(backbone, parts, method, seed)) for name, method in methods.items() if _tunes(method)
        ]
        for name, row, evaluation in results:
            scores = {"balanced_accuracy": evaluation.balanced_accuracy, "accuracy": evaluation.accuracy}
            runs.append(cell | {"method": name} | scores | row)
            columns = evaluation.predictions[["picture", "group", "label", "predicted"]]
            predictions.append(columns.assign(**cell, method=name))
    described = {
        name: method.describe() if _tunes(method) else {"function": type(method).__name__} | dataclasses.asdict(method)
        for name, method in methods.items()
    }
    description = {"features": features.provenance, "methods": described, "seeds": seeds}
    return PairComparison(pd.DataFrame(runs), pd.concat(predictions, ignore_index=True), description)


def _run_cell(learned, adapted, tested, methods, seed, n_folds):
    """Yield (name, row, Evaluation on the test half) of each method on one split of one pair, the oracle last."""
    n_classes = len(learned.classes)
    sizes = {"n_source": len(learned), "n_adapt": len(adapted), "n_test": len(tested)}
    priors = np.bincount(learned.labels, minlength=n_classes) / len(learned)
    if n_folds:
        folds = assign_folds(learned.labels, learned.groups, n_folds, seed)
        weights = weigh_source(learned.values, adapted.values, learned.groups, adapted.groups, seed=seed)
    for name, method in methods.items():
        start = time.perf_counter()
        solved = method.fit(learned.values, learned.labels, adapted.values, n_classes, seed)
        row = {"duration_s": time.perf_counter() - start}
        said = solved.predict(adapted.values)
        row |= _score(said, priors) | {"mixed": score_mixed(solved.predict, adapted.values, seed=seed)}
        if n_folds:
            held = _hold_out(method, learned, adapted, folds, seed)
            row |= {
                "source_accuracy": score_source_accuracy(held, learned.labels),
                "importance_weighted": score_importance_weighted(held, learned.labels, weights),
                "deep_embedded": score_deep_embedded(held, learned.labels, weights),
            }
            both = learned.values, learned.labels, adapted.values
            row["circular"] = score_circular(method, *both, said.argmax(axis=1), n_classes, seed)
        yield name, sizes | row, _evaluate(solved.predict(tested.values), tested)
    weight, bias = solve_head(adapted.values, adapted.labels, n_classes)
    yield ORACLE, sizes, _evaluate(softmax(tested.values @ weight.T + bias), tested)


def _tune(backbone, parts, strategy, seed):
    """Return (row, Evaluation on the test half) of a strategy that is trained, on one split of one pair."""
    from tlkit.adaptation.train_time import adapt, share_classes

    learned, adapted, tested = parts
    run = adapt(backbone, learned, adapted, strategy, seed=seed, progress=False)
    learned, adapted = share_classes(learned, adapted)
    priors = np.bincount(learned.labels, minlength=len(run.classes)) / len(learned)
    row = {"n_source": len(learned), "n_adapt": len(adapted), "n_test": len(tested), "duration_s": run.duration_s}
    return row | _score(run.predict(adapted), priors), run.evaluate(tested)


def _score(probabilities, priors):
    """Return the alarm and the validators that need no label, from what is said of the half to adapt to."""
    return {
        "alarm": detect_collapse(probabilities, priors),
        "entropy": score_entropy(probabilities),
        "information_maximisation": score_information_maximisation(probabilities),
        "bnm": score_bnm(probabilities),
        "neighbourhood_density": score_neighbourhood_density(probabilities),
        "norm": score_norm(probabilities),
    }


def _evaluate(probabilities, tested):
    return Evaluation(probabilities, tested.labels, tested.classes, tested.names, tested.groups, n_looks=1)


def _hold_out(method, learned, adapted, folds, seed):
    """Return what a method says of each picture of the source when its label is hidden, (n, n_classes)."""
    n_classes = len(learned.classes)
    probabilities = np.empty((len(learned), n_classes))
    for fold in np.unique(folds):
        held = folds == fold
        labels = np.where(held, -1, learned.labels)
        solved = method.fit(learned.values, labels, adapted.values, n_classes, seed)
        probabilities[held] = solved.predict(solved.source[held])
    return probabilities
