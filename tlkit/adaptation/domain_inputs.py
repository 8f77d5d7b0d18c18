"""Inputs of comparisons across domains: checked domains, methods and features, and splits of pairs. Without torch."""

import dataclasses
import itertools

import numpy as np

from tlkit.adaptation.pair_results import BASELINE, ORACLE
from tlkit.adaptation.solved_methods import METHODS
from tlkit.arguments import check_count, check_known
from tlkit.features.extract import extract_features
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet, check_images
from tlkit.images.splits import assign_folds
from tlkit.strategies.strategy import Strategy


def read_domains(images, domains):
    """Return two or more domains of an ImageSet as a list, by default all; ValueError for an unknown one."""
    check_images("images", images)
    known = np.unique(images.domains).tolist()
    domains = known if domains is None else check_known("domains", domains, known)
    if len(set(domains)) < max(2, len(domains)):
        raise ValueError(f"domains: {domains}, expected two or more, each once: a source and a target")
    return domains


def read_pairs(images, domains, pairs=None):
    """Return different pairs (source, target) of domains, by default all ordered pairs of some or all domains."""
    if pairs is None:
        return list(itertools.permutations(read_domains(images, domains), 2))
    if domains is not None:
        raise ValueError(f"domains: {domains}, but pairs are given too: leave one of them out")
    pairs = [tuple(check_known("pairs", pair, read_domains(images, None))) for pair in pairs]
    if not pairs or len(set(pairs)) < len(pairs) or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
        raise ValueError(f"pairs: {pairs}, expected one or more of (source, target), each once")
    return pairs


def read_methods(methods, *, may_tune):
    """Return {name: objective or Strategy} from names or as given; "source_only" is always the first."""
    if not isinstance(methods, dict):
        names = [methods] if isinstance(methods, str) else [*METHODS] if methods is None else methods
        methods = {name: _get(name) for name in names}
    for name, method in methods.items():
        if name == ORACLE or not (hasattr(method, "fit") or tunes(method)):
            raise TypeError(f"methods: {name!r} is {method!r}, expected an objective, such as Align, or a Strategy")
        if tunes(method) and not may_tune:
            advice = f"use one of {', '.join(METHODS)}, or compare pairs with a Backbone"
            raise TypeError(f"methods: {name!r} tunes a network, but there are features only: {advice}")
    return {BASELINE: METHODS[BASELINE]} | methods


def _get(name):
    """Return a method by name; torch is loaded if it tunes a network."""
    if name in METHODS:
        return METHODS[name]
    from tlkit.adaptation import methods as methods_module

    check_known("methods", [name], [*METHODS, *methods_module.names()])
    return methods_module.get(name)


def tunes(method):
    """Return whether a method trains a network, rather than solve a head on features."""
    return isinstance(method, Strategy)


def read_features(backbone, images, progress):
    """Return the pooled Features of an ImageSet in float64, extracted unless they are given; ValueError for others."""
    check_images("images", images)
    features = backbone
    if not isinstance(features, Features):
        features = extract_features(backbone, images, progress=progress)
    if not np.array_equal(features.names, images.names) or features.values.ndim != 2:
        found = f"backbone: Features of {len(features)} pictures, shape {features.values.shape}"
        expected = f"pooled ones of the {len(images)} images in their order"
        raise ValueError(f"{found}, expected {expected}: pass extract_features(backbone, images)")
    return dataclasses.replace(features, values=features.values.astype(np.float64))


class SharedFeatures:
    """Features of an ImageSet for the cells of a comparison; each worker process reads them from disk once."""

    def __init__(self, backbone, images):
        check_images("images", images)
        self._inputs = backbone, images
        # Workers that are forked later share given features; extraction may use OpenVINO, and so has to wait.
        self._features = read_features(backbone, images, False) if isinstance(backbone, Features) else None

    def read(self, progress=False, in_fork=False):
        """Return the Features of all pictures."""
        if self._features is None:
            self._features = read_features(*self._inputs, progress)
        return self._features


def split_pair(images: ImageSet, source: str, target: str, seed: int = 0) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Split two domains into a source to train on, a target half to adapt to, and a target half to test on.

    If both domains have a group, such as emoji and sketches of one code point, only one of them keeps it, so that no
    concept of the source is in the target. The target is halved by group, stratified by class.

    Parameters
    ----------
    images : ImageSet
        Pictures of two or more domains. Only classes that both have are used; the list of classes stays as it is.
    source, target, seed : str, str and int
        Two different domains, and seed of the random division.

    Returns
    -------
    tuple of three ImageSet
        Source, target half to adapt to, and target half to test on.

    Raises
    ------
    ValueError
        If a domain is unknown, both are the same, fewer than two classes are shared, or groups are too few to halve.

    Examples
    --------
    >>> images = tl.load_images("styles").select(role="core")
    >>> [len(part) for part in split_pair(images, "emoji", "sketch")]
    [119, 65, 67]
    """
    check_images("images", images)
    parts = split_rows(images.labels, images.groups, images.domains, images.classes, source, target, seed=seed)
    return tuple(images[rows] for rows in parts)


def split_rows(labels, groups, domains, classes, source, target, *, seed):
    """Return the rows of the three parts of `split_pair`, each (k,) int64 and ascending."""
    seed = check_count("seed", seed, 0)
    known = np.unique(domains).tolist()
    for argument, name in (("source", source), ("target", target)):
        check_known(argument, name, known)
    if source == target:
        raise ValueError(f"target: {target!r} is the source too, expected another of {known}")
    source_rows, target_rows = (np.flatnonzero(domains == name) for name in (source, target))
    common = np.intersect1d(labels[source_rows], labels[target_rows])
    if len(common) < 2:
        named = ", ".join(classes[label] for label in common) or "none"
        raise ValueError(f"target: {target!r} has {named} in common with {source!r}, expected two classes or more")
    source_rows, target_rows = (rows[np.isin(labels[rows], common)] for rows in (source_rows, target_rows))
    shared = np.intersect1d(groups[source_rows], groups[target_rows])
    if len(shared):
        both = np.concatenate([source_rows, target_rows])
        both = both[np.isin(groups[both], shared)]
        is_first = _halve(labels[both], groups[both], seed, f"{len(shared)} groups that {source} and {target} share")
        to_source = np.unique(groups[both[is_first]])
        source_rows = source_rows[~np.isin(groups[source_rows], np.setdiff1d(shared, to_source))]
        target_rows = target_rows[~np.isin(groups[target_rows], to_source)]
    to_adapt = _halve(labels[target_rows], groups[target_rows], seed, f"the pictures of {target}")
    return source_rows, target_rows[to_adapt], target_rows[~to_adapt]


def _halve(labels, groups, seed, described):
    """Return (n,) bool, True for the first of two halves with whole groups."""
    try:
        return assign_folds(labels, groups, 2, seed) == 0
    except ValueError as error:
        raise ValueError(f"target: {described} can't be halved: {error}") from error
