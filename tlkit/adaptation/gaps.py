"""Gaps between the domains of a set, pair by pair, and the parts of a gap. Without torch."""

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.adaptation.distances import MEASURES, distance_priors, permute_gap
from tlkit.adaptation.domain_inputs import read_features, read_pairs, split_rows
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.split_distances import compute_kernel
from tlkit.arguments import check_count
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.images.splits import assign_folds


def measure_gaps(
    backbone: "tl.Backbone | str | Features",
    images: ImageSet,
    *,
    domains: list | tuple | None = None,
    n_permutations: int = 0,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the distance of every ordered pair of domains, on their common classes.

    Parameters
    ----------
    backbone : Backbone, str or Features
        A backbone, its name, or the features of `images`.
    images, domains : ImageSet, and list of str, optional
        Pictures of several domains, and the domains to compare, by default all.
    n_permutations, seed, progress : int, int and bool
        Number of permutations for p-values, by default none; seed of all draws; and whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row per pair and distance:

        - source, target (str): the domains.
        - distance (str): "proxy_a" (2 if a classifier separates the domains), "mmd", "coral" or "priors" (of classes).
        - value (float): the distance.
        - p_value (float): of a permutation test; NaN without permutations, and for priors.
        - n_source, n_target (int): numbers of pictures.

    Notes
    -----
    Groups that both domains contain are split between them first (see `split_pair`), so both orders of a pair give
    slightly different distances.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14, 4)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> measure_gaps(made, images, progress=False).distance.unique().tolist()
    ['proxy_a', 'mmd', 'coral', 'priors']
    """
    n_permutations = check_count("n_permutations", n_permutations, 0)
    features = read_features(backbone, images, progress)
    rows = []
    for source, target in read_pairs(images, domains):
        source_features, target_features = _select_pair(features, images, source, target, seed)
        sides = source_features.values, target_features.values, source_features.groups, target_features.groups
        values = {name: permute_gap(measure, *sides, n_permutations, seed) for name, measure in MEASURES.items()}
        values["priors"] = distance_priors(source_features.labels, target_features.labels), np.nan
        sizes = len(source_features), len(target_features)
        rows += [(source, target, name, *value, *sizes) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["source", "target", "distance", "value", "p_value", "n_source", "n_target"])


def _select_pair(features, images, source, target, seed):
    """Return the Features of the source and of both halves of the target, split as in `split_pair`."""
    columns = images.labels, images.groups, images.domains, images.classes
    training, adapted, test = split_rows(*columns, source, target, seed=seed)
    return features[training], features[np.sort(np.concatenate([adapted, test]))]


def explain_gap(
    backbone: "tl.Backbone | str | Features",
    images: ImageSet,
    source: str,
    target: str,
    *,
    seeds: int = 5,
    n_folds: int = 5,
    progress: bool = True,
) -> pd.DataFrame:
    """Decompose the gap between two domains into different pictures, class shares and concepts.

    Parameters
    ----------
    backbone : Backbone, str or Features
        A backbone, its name, or the features of `images`.
    images, source, target : ImageSet and str
        Pictures of several domains, and two of the domains.
    seeds, n_folds, progress : int, int and bool
        Numbers of random splits, and of folds for the accuracy on the source; and whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row per measure:

        - measure (str): "accuracy", the loss from held-out source pictures to the target, not balanced; or "mmd", MMD².
        - whole (float): the gap between pictures of different concepts.
        - pictures (float): the gap if the target's pictures are weighted to the source's class shares.
        - priors (float): the rest, caused by class shares.
        - shared_concepts (float): reduction of the gap if the target showed the learned concepts; NaN without any.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(role="core")
    >>> made = tl.Features(np.eye(14, 4)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> explain_gap(made, images, "photo", "sketch", seeds=1, n_folds=2, progress=False).measure.tolist()
    ['accuracy', 'mmd']
    """
    features = read_features(backbone, images, progress)
    seeds, n_folds = range(check_count("seeds", seeds, 1)), check_count("n_folds", n_folds, 2)
    parts = [_explain_split(features, images, source, target, seed, n_folds) for seed in seeds]
    rows = [(measure, *np.mean([part[measure] for part in parts], axis=0)) for measure in ("accuracy", "mmd")]
    return pd.DataFrame(rows, columns=["measure", "whole", "pictures", "priors", "shared_concepts"])


def _explain_split(features, images, source, target, seed, n_folds):
    """Return {"accuracy", "mmd"}: (4,) whole, pictures, priors and shared concepts for one split."""
    source_features, target_features = _select_pair(features, images, source, target, seed)
    values, labels, n_classes = source_features.values, source_features.labels, len(source_features.classes)
    folds = assign_folds(labels, source_features.groups, n_folds, seed)
    right_on_source = np.empty(len(labels))
    for fold in np.unique(folds):
        held_out = folds == fold
        head = solve_head(values[~held_out], labels[~held_out], n_classes)
        right_on_source[held_out] = _is_right(head, source_features[held_out])
    head = solve_head(values, labels, n_classes)

    def measure(pictures, weights):
        loss = right_on_source.mean() - np.average(_is_right(head, pictures), weights=weights)
        return np.array([loss, _weigh_mmd(values, pictures.values, weights)])

    whole = measure(target_features, np.ones(len(target_features)))
    pictures = measure(target_features, _weigh_to_shares(target_features.labels, labels, n_classes))
    # The same head and source against target pictures of concepts that the head was fitted on.
    known = features[(images.domains == target) & np.isin(images.groups, source_features.groups)]
    shared = np.full(2, np.nan)
    if len(known):
        shared = pictures - measure(known, _weigh_to_shares(known.labels, labels, n_classes))
    parts = np.stack([whole, pictures, whole - pictures, shared], axis=1)
    return {"accuracy": parts[0], "mmd": parts[1]}


def _is_right(head, pictures):
    """Return (n,) bool: whether a (weight, bias) head predicts the label of each picture of Features."""
    weight, bias = head
    return (pictures.values @ weight.T + bias).argmax(axis=1) == pictures.labels


def _weigh_to_shares(labels, wanted, n_classes):
    """Return (n,) weights that give (n,) labels the class shares of the wanted labels."""
    have, want = (np.bincount(values, minlength=n_classes) / len(values) for values in (labels, wanted))
    return (want / np.where(have > 0, have, 1.0))[labels]


def _weigh_mmd(source, target, weights):
    """Return the unbiased MMD² of (n, d) and (m, d) features with (m,) target weights; equal ones as `distance_mmd`."""
    shares = np.zeros((2, len(source) + len(target)))
    shares[0, : len(source)] = 1 / len(source)
    shares[1, len(source) :] = weights / weights.sum()
    blocks = compute_kernel(np.concatenate([source, target]), "gaussian", None)
    sums = sum(shares[:, rows] @ products @ shares.T for rows, products in blocks)
    off_diagonal = 1 - np.sum(shares**2, axis=1)  # weight of pairs of different pictures
    return sums[0, 0] / off_diagonal[0] + sums[1, 1] / off_diagonal[1] - 2 * sums[0, 1]
