"""What a source is worth beside a few labelled pictures of the target: both against the few alone. Without torch."""

import itertools
import math

import numpy as np
from tqdm.auto import tqdm

from tlkit.adaptation.domain_inputs import read_features, read_methods
from tlkit.adaptation.pair_results import BASELINE
from tlkit.adaptation.solved_head import solve_head
from tlkit.arguments import check_count, check_known
from tlkit.comparison.runner import split_for
from tlkit.evaluation.scores import Evaluation
from tlkit.heads.numerics import softmax
from tlkit.images.splits import draw_shots

ALONE = "target_only"
POOLED = "pooled"


def compare_target_shots(
    backbone,
    images,
    source,
    target,
    methods=(BASELINE,),
    *,
    weights=(POOLED,),
    shots=(1, 2, 5, 10),
    seeds=5,
    progress=True,
):
    """Solve heads on k labelled pictures a class of the target, with and without a source beside them.

    Whether a source harms is a matter of its weight as much as of the source: pooled with a few shots, hundreds of
    pictures outvote them wherever they disagree. So harm is claimed at a weight.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        As in `compare_pairs`.
    images: ImageSet
        Of two domains or more; the source's classes count whether or not the target has them.
    source: str, or list of str
        One of its domains, or several, each by itself. Pictures of concepts (groups) that are tested are left out.
    target: str
        Another domain. Each seed tests one fold of it, and draws the shots from the others, whose remaining pictures a
        method sees without their labels.
    methods: list of str, or dict
        What aligns the source before it stands beside the shots, as in `compare_pairs`; "source_only" leaves it as it
        is, and is always among them.
    weights: list of float or "pooled"
        How much all pictures of the source count together, as a multiple of what the shots count together; "pooled":
        each picture counts the same.
    shots: list of int
        Pictures a class, groups first; of a class that has fewer, all are taken.
    seeds: int
        Of one seed the shots are nested. Use each of the five folds equally often: 5, 10, …
    progress: bool

    Returns (runs, predictions), as `tlkit.evaluation.transfer_gain` takes them with baseline "target_only": runs has
    strategy ("target_only" or `name_arm`), source, method, weight, shots, seed, fold, n_train, accuracy,
    balanced_accuracy. All arms of a seed have the same shots and test pictures; every head is solved to the end.

    Raises ValueError or TypeError for domains, methods, weights or features that don't fit.

    >>> import tlkit as tl
    >>> from tlkit.features.features import Features
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> values = np.eye(14, dtype=np.float32)[images.labels]
    >>> made = Features(values, images.labels, images.classes, images.names, images.groups, {"backbone": "made"})
    >>> settings = {"weights": [0.25, "pooled"], "shots": [1], "seeds": 2, "progress": False}
    >>> runs, _ = compare_target_shots(made, images, "photo", "sketch", **settings)
    >>> tl.evaluation.transfer_gain(runs, baseline="target_only")[["strategy", "shots", "gain"]].values.tolist()
    [['photo × 0.25', 1, 0.0], ['photo, pooled', 1, 0.0]]
    """
    import pandas as pd

    methods, weights = read_methods(methods, may_tune=False), _read_weights(weights)
    sources = _read_domains(images, source, target)
    shots = [check_count("shots", number, 1) for number in shots]
    features = read_features(backbone, images, progress)
    of_target = images.select(domain=target)
    runs, predictions = [], []
    cells = list(itertools.product(range(check_count("seeds", seeds, 1)), shots))
    bar = tqdm(cells, desc="shots", unit="draw", disable=not progress, leave=False)
    aligned = {}
    for seed, number in bar:
        fold, *sides = split_for(of_target, seed)
        adapted, tested = (features[np.isin(images.names, side.names)] for side in sides)
        if number == shots[0]:
            aligned = _align(features, images, sources, methods, adapted, tested, seed)
        few = adapted[
            draw_shots(adapted.labels, adapted.groups, adapted.names, images.classes, shots=number, seed=seed)
        ]
        cell = {"shots": number, "seed": seed, "fold": fold}
        for arm, values, labels, counts in _list_arms(few, aligned, weights):
            weight, bias = solve_head(values, labels, len(images.classes), weights=counts)
            probabilities = softmax(tested.values @ weight.T + bias)
            evaluation = Evaluation(
                probabilities, tested.labels, tested.classes, tested.names, tested.groups, n_looks=1
            )
            scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
            runs.append(arm | cell | {"n_train": len(labels)} | scores)
            said = evaluation.predictions[["picture", "group", "label", "predicted"]]
            predictions.append(said.assign(strategy=arm["strategy"], **cell))
    return pd.DataFrame(runs), pd.concat(predictions, ignore_index=True)


def name_arm(source, method, weight):
    """Return what `compare_target_shots` calls a source, aligned by a method, at a weight.

    >>> name_arm("sketch", "source_only", 0.25), name_arm("sketch", "coral", "pooled")
    ('sketch × 0.25', 'sketch, coral, pooled')
    """
    aligned = source if method == BASELINE else f"{source}, {method}"
    return f"{aligned}, {POOLED}" if weight == POOLED else f"{aligned} × {weight:g}"


def _read_weights(weights):
    weights = [weights] if isinstance(weights, (str, int, float)) else list(weights)
    for weight in weights:
        is_number = isinstance(weight, (int, float, np.number)) and not isinstance(weight, bool)
        if weight != POOLED and not (is_number and 0 < weight < math.inf):
            raise ValueError(
                f'weights: {weight!r}, expected numbers above 0, or "pooled"; without a source it is the baseline'
            )
    if len(set(weights)) != len(weights) or not weights:
        raise ValueError(f"weights: {weights}, expected one or more, each once")
    return weights


def _read_domains(images, source, target):
    known = sorted(set(images.domains.tolist()))
    sources = [source] if isinstance(source, str) else list(source)
    check_known("source", sources, known)
    check_known("target", [target], known)
    if target in sources or len(set(sources)) != len(sources) or not sources:
        raise ValueError(f"source: {source!r}, expected one or more domains, each once, and not the target {target!r}")
    return sources


def _align(features, images, sources, methods, adapted, tested, seed):
    """Return {(source, method): (values, labels)} of sources as they stand beside the target's shots."""
    allowed = ~np.isin(images.groups, tested.groups)
    aligned = {}
    for source in sources:
        learned = features[(images.domains == source) & allowed]
        for name, method in methods.items():
            if name == BASELINE:
                aligned[source, name] = learned.values, learned.labels
                continue
            solved = method.fit(learned.values, learned.labels, adapted.values, len(learned.classes), seed)
            aligned[source, name] = solved.source, learned.labels
    return aligned


def _list_arms(few, aligned, weights):
    """Yield (columns of the arm, values, labels, how much each picture counts) of what is learned from."""
    none = {"source": None, "method": None, "weight": None}
    yield {"strategy": ALONE} | none, few.values, few.labels, np.ones(len(few))
    for (source, method), (values, labels) in aligned.items():
        for weight in weights:
            arm = {"strategy": name_arm(source, method, weight), "source": source, "method": method, "weight": weight}
            each = 1.0 if weight == POOLED else weight * len(few) / len(labels)
            counts = np.concatenate([np.full(len(labels), each), np.ones(len(few))])
            yield arm, np.concatenate([values, few.values]), np.concatenate([labels, few.labels]), counts
