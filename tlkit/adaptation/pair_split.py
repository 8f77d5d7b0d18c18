"""A pair of domains, split so that no concept is both trained on and tested on."""

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.images.imageset import ImageSet, check_images
from tlkit.images.splits import assign_folds


def split_pair(images: ImageSet, source: str, target: str, seed: int = 0) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Split two domains into a source to train on, a target half to adapt to, and a target half to test on.

    If both domains have a group, such as emoji and sketches of one code point, only one of them keeps it, so that no
    concept of the source is in the target. The target is halved by group, stratified by class.

    Parameters
    ----------
    images : ImageSet
        Pictures of two or more domains. Only classes that both have are used; the list of classes stays as it is.
    source, target : str
        Two different domains.
    seed : int, default 0
        Seed of the random division.

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
    >>> import tlkit as tl
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
