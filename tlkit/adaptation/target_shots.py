"""What a source is worth beside a few labelled pictures of the target: both against the few alone. Without torch."""

import itertools

import numpy as np
from tqdm.auto import tqdm

from tlkit.adaptation.pair_comparison import read_features, read_methods
from tlkit.adaptation.pairs import place_pair
from tlkit.adaptation.solved import solve_head
from tlkit.evaluation.scores import Evaluation
from tlkit.heads.head import softmax
from tlkit.images.splitting import check_count, draw_shots

ALONE = "target_only"


def compare_target_shots(
    backbone, images, source, target, methods=("source_only",), *, shots=(1, 2, 5, 10), seeds=5, progress=True
):
    """Solve heads on k labelled pictures a class of the target, with and without a source beside them.

    The pictures of both count alike, so that a large source outvotes a few shots where they disagree.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        As in `compare_pairs`.
    images: ImageSet
    source, target: str
        Two of its domains. The shots are of the target's half to adapt to, whose other pictures a method sees without
        their labels; the other half is tested.
    methods: list of str, or dict
        What aligns the source before it stands beside the shots, as in `compare_pairs`; "source_only" leaves it as it
        is, and is always among them.
    shots: list of int
        Pictures a class, groups first; of a class that has fewer, all are taken.
    seeds: int
        Each splits the pair anew and draws its own shots; of one seed they are nested.
    progress: bool

    Returns (runs, predictions), as `tlkit.evaluation.transfer_gain` takes them: runs has strategy ("target_only" or the
    method), shots, seed, fold (the seed, since each tests other pictures), n_train, accuracy, balanced_accuracy. All
    arms of a seed have the same shots and test pictures.

    >>> import tlkit as tl
    >>> from tlkit.features.features import Features
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> values = np.eye(14, dtype=np.float32)[images.labels]
    >>> made = Features(values, images.labels, images.classes, images.names, images.groups, {"backbone": "made"})
    >>> runs, _ = compare_target_shots(made, images, "photo", "sketch", shots=[1, 2], seeds=2, progress=False)
    >>> tl.evaluation.transfer_gain(runs, baseline="target_only")[["strategy", "shots", "gain"]].values.tolist()
    [['source_only', 1, 0.0], ['source_only', 2, 0.0]]
    """
    import pandas as pd

    methods = read_methods(methods, may_tune=False)
    shots = [check_count("shots", number, 1) for number in shots]
    features = read_features(backbone, images, progress)
    columns = images.labels, images.groups, images.domains, images.classes
    runs, predictions = [], []
    cells = list(itertools.product(range(check_count("seeds", seeds, 1)), shots))
    for seed, number in tqdm(cells, desc="shots", unit="draw", disable=not progress, leave=False):
        places = place_pair(*columns, source, target, seed=seed)
        learned, adapted, tested = (features[rows] for rows in places)
        few = adapted[
            draw_shots(adapted.labels, adapted.groups, adapted.names, images.classes, shots=number, seed=seed)
        ]
        cell = {"shots": number, "seed": seed, "fold": seed}
        for name, values, labels in _list_arms(learned, adapted, few, methods, seed):
            weight, bias = solve_head(values, labels, len(images.classes))
            probabilities = softmax(tested.values @ weight.T + bias)
            evaluation = Evaluation(
                probabilities, tested.labels, tested.classes, tested.names, tested.groups, n_looks=1
            )
            scores = {"accuracy": evaluation.accuracy, "balanced_accuracy": evaluation.balanced_accuracy}
            runs.append({"strategy": name} | cell | {"n_train": len(labels)} | scores)
            said = evaluation.predictions[["picture", "group", "label", "predicted"]]
            predictions.append(said.assign(strategy=name, **cell))
    return pd.DataFrame(runs), pd.concat(predictions, ignore_index=True)


def _list_arms(learned, adapted, few, methods, seed):
    """Yield (name, values, labels) of what each arm learns from."""
    yield ALONE, few.values, few.labels
    labels = np.concatenate([learned.labels, few.labels])
    for name, method in methods.items():
        solved = method.fit(learned.values, learned.labels, adapted.values, len(learned.classes), seed)
        yield name, np.concatenate([solved.source, few.values]), labels
