"""How far the domains of a set are from each other, two by two, and what a gap is made of. Without torch."""

import itertools

import numpy as np

from tlkit.adaptation.distances import distance_coral, distance_mmd, distance_priors, distance_proxy_a
from tlkit.adaptation.domain_inputs import read_domains, read_features
from tlkit.adaptation.pair_split import place_pair
from tlkit.adaptation.permutations import permute_gap
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.split_distances import compute_kernel
from tlkit.arguments import check_count
from tlkit.images.splits import assign_folds

DISTANCES = {"proxy_a": distance_proxy_a, "mmd": distance_mmd, "coral": distance_coral}


def measure_gaps(backbone, images, *, domains=None, n_permutations=0, seed=0, progress=True):
    """Measure the distance of every ordered pair of domains, on the classes that both have.

    Groups that both domains have are dealt between them first (see `split_pair`), so that no concept stands on both
    sides; a pair in one order is dealt otherwise than in the other, and differs by that.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        As in `compare_pairs`.
    images: ImageSet
    domains: list of str, optional
        By default all of the images.
    n_permutations: int
        Of groups, for a p-value of each distance; 0 for none.
    seed: int
    progress: bool

    Returns a DataFrame, a row a pair and distance: source, target, distance ("proxy_a", "mmd" with the Gaussian kernel,
    "coral", and "priors", the total variation of the class shares), value, p_value (NaN without permutations; of the
    priors too, since a group has one class), n_source, n_target. `table.pivot_table("value", "source", "target")` of
    one distance is its matrix.

    >>> import tlkit as tl
    >>> from tlkit.features.features import Features
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> values = np.random.default_rng(0).normal(size=(len(images), 4)).astype(np.float32)
    >>> made = Features(values, images.labels, images.classes, images.names, images.groups, {"backbone": "made"})
    >>> gaps = measure_gaps(made, images, progress=False)
    >>> gaps[gaps.distance == "priors"].value.round(2).tolist()
    [0.17, 0.17]
    """
    import pandas as pd

    n_permutations = check_count("n_permutations", n_permutations, 0)
    features = read_features(backbone, images, progress)
    rows = []
    for source, target in itertools.permutations(read_domains(images, domains), 2):
        ours, theirs = _take(features, images, source, target, seed)
        sizes = {"n_source": len(ours), "n_target": len(theirs)}
        for name, distance in DISTANCES.items():
            value, p_value = _measure(distance, ours, theirs, n_permutations, seed)
            rows.append(
                {"source": source, "target": target, "distance": name, "value": value, "p_value": p_value} | sizes
            )
        priors = {"distance": "priors", "value": distance_priors(ours.labels, theirs.labels), "p_value": np.nan}
        rows.append({"source": source, "target": target} | priors | sizes)
    return pd.DataFrame(rows)


def _take(features, images, source, target, seed):
    columns = images.labels, images.groups, images.domains, images.classes
    learned, adapted, tested = place_pair(*columns, source, target, seed=seed)
    return features[learned], features[np.sort(np.concatenate([adapted, tested]))]


def _measure(distance, ours, theirs, n_permutations, seed):
    groups = ours.groups, theirs.groups
    if n_permutations:
        gap = permute_gap(distance, ours.values, theirs.values, *groups, n_permutations, seed)
        return gap.distance, gap.p_value
    if distance is distance_proxy_a:
        return distance(ours.values, theirs.values, *groups, seed=seed), np.nan
    return distance(ours.values, theirs.values), np.nan


def explain_gap(backbone, images, source, target, *, seeds=5, n_folds=5, progress=True):
    """Take the gap between two domains apart: pictures that look different, other shares of classes, new concepts.

    Arguments
    ---------
    backbone: Backbone or its name, or Features
        As in `compare_pairs`.
    images: ImageSet
    source, target: str
        Two of its domains.
    seeds: int
        Of as many splits, over which all is averaged.
    n_folds: int
        Of the source, for its accuracy on itself.
    progress: bool

    Returns a DataFrame of two rows. measure: "accuracy", what a head that was solved on the source loses from its own
    held-out pictures to the target's; and "mmd", the squared MMD. whole: the gap between pictures of different
    concepts. pictures: the gap when the target's pictures are weighted to the source's shares of classes. priors: the
    rest, which these shares make. shared_concepts: by how much the gap would be smaller if the target showed the
    concepts that were learned; NaN where the domains share none. The accuracy is that over pictures, not balanced:
    balanced, it wouldn't see the shares.
    """
    import pandas as pd

    features = read_features(backbone, images, progress)
    parts = [
        _explain_split(features, images, source, target, seed, n_folds)
        for seed in range(check_count("seeds", seeds, 1))
    ]
    columns = ["measure", "whole", "pictures", "priors", "shared_concepts"]
    rows = [(measure, *np.mean([part[measure] for part in parts], axis=0)) for measure in ("accuracy", "mmd")]
    return pd.DataFrame(rows, columns=columns)


def _explain_split(features, images, source, target, seed, n_folds):
    ours, theirs = _take(features, images, source, target, seed)
    n_classes = len(ours.classes)
    folds = assign_folds(ours.labels, ours.groups, n_folds, seed)
    right_at_home = np.empty(len(ours))
    for fold in np.unique(folds):
        held = folds == fold
        right_at_home[held] = _is_right(solve_head(ours.values[~held], ours.labels[~held], n_classes), ours[held])
    head = solve_head(ours.values, ours.labels, n_classes)

    def measure(pictures, weights):
        lost = right_at_home.mean() - np.average(_is_right(head, pictures), weights=weights)
        return np.array([lost, _weigh_mmd(ours.values, pictures.values, weights)])

    even = np.ones(len(theirs))
    balanced = _equalise(theirs.labels, ours.labels, n_classes)
    whole, pictures = measure(theirs, even), measure(theirs, balanced)
    # The same head and the same source, before pictures of concepts that it has learned.
    met = features[(images.domains == target) & np.isin(images.groups, ours.groups)]
    shared = np.full(2, np.nan)
    if len(met):
        shared = pictures - measure(met, _equalise(met.labels, ours.labels, n_classes))
    values = np.stack([whole, pictures, whole - pictures, shared], axis=1)
    return {"accuracy": values[0], "mmd": values[1]}


def _is_right(head, pictures):
    weight, bias = head
    return (pictures.values @ weight.T + bias).argmax(axis=1) == pictures.labels


def _equalise(labels, wanted, n_classes):
    """Return a weight a picture, (n,), under which classes have the shares that they have among the wanted labels."""
    have, want = (np.bincount(values, minlength=n_classes) / len(values) for values in (labels, wanted))
    return (want / np.where(have > 0, have, 1.0))[labels]


def _weigh_mmd(source, target, weights):
    """Return the unbiased squared MMD with a weight on each picture of the target; even ones give `distance_mmd`."""
    products = compute_kernel(np.concatenate([source, target]), "gaussian", None)
    np.fill_diagonal(products, 0.0)
    shares = np.zeros((2, len(products)))
    shares[0, : len(source)] = 1 / len(source)
    shares[1, len(source) :] = weights / weights.sum()
    sums = shares @ products @ shares.T
    left = 1 - np.sum(shares**2, axis=1)  # what pairs of different pictures hold of all pairs
    return sums[0, 0] / left[0] + sums[1, 1] / left[1] - 2 * sums[0, 1]
