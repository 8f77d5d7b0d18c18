"""A pair of domains, split so that no concept is learned in one and asked for in the other."""

import numpy as np

from tlkit.arguments import check_count, check_known
from tlkit.images.imageset import check_images
from tlkit.images.splits import assign_folds


def split_pair(images, source, target, seed=0):
    """Return the pictures to learn from, those to adapt to and those to test on.

    Groups that both domains have (emoji and sketches of one code point) are dealt between them, so that none of the
    source is in the target; the others stay whole with their domain. The target is halved, stratified by class, no
    group in both halves: a method sees the first half without its labels, and neither trains on nor chooses by the
    second.

    Arguments
    ---------
    images: ImageSet
    source, target: str
        Two of its domains. Only the classes that both have are taken; the list of classes stays as it is.
    seed: int
        Of what is dealt where.

    Returns three ImageSets: source, target to adapt to, target to test on. Raises ValueError for a domain that isn't
    there, twice the same one, fewer than two classes in common, or too few groups to be halved.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles").select(role="core")
    >>> learned, adapted, tested = split_pair(images, "emoji", "sketch")
    >>> len(learned), len(adapted), len(tested)
    (119, 65, 67)
    >>> set(learned.groups) & {*adapted.groups, *tested.groups}, set(adapted.groups) & set(tested.groups)
    (set(), set())
    """
    check_images("images", images)
    places = place_pair(images.labels, images.groups, images.domains, images.classes, source, target, seed=seed)
    return tuple(images[rows] for rows in places)


def place_pair(labels, groups, domains, classes, source, target, *, seed):
    """Return where the three parts of `split_pair` lie: three (k,) int64, ascending.

    Arguments
    ---------
    labels, groups, domains: (n,)
        As in an ImageSet.
    classes: list of str
    source, target: str
    seed: int
    """
    seed = check_count("seed", seed, 0)
    known = np.unique(domains).tolist()
    for argument, name in (("source", source), ("target", target)):
        check_known(argument, name, known)
    if source == target:
        raise ValueError(f"target: {target!r} is the source too, expected another of {known}")
    of_source, of_target = (np.flatnonzero(domains == name) for name in (source, target))
    common = np.intersect1d(labels[of_source], labels[of_target])
    if len(common) < 2:
        named = ", ".join(classes[label] for label in common) or "none"
        raise ValueError(f"target: {target!r} has {named} in common with {source!r}, expected two classes or more")
    of_source, of_target = (rows[np.isin(labels[rows], common)] for rows in (of_source, of_target))
    shared = np.intersect1d(groups[of_source], groups[of_target])
    if len(shared):
        both = np.concatenate([of_source, of_target])
        both = both[np.isin(groups[both], shared)]
        taken = _halve(labels[both], groups[both], seed, f"{len(shared)} groups that {source} and {target} share")
        to_source = np.unique(groups[both[taken]])
        of_source = of_source[~np.isin(groups[of_source], np.setdiff1d(shared, to_source))]
        of_target = of_target[~np.isin(groups[of_target], to_source)]
    adapted = _halve(labels[of_target], groups[of_target], seed, f"the pictures of {target}")
    return of_source, of_target[adapted], of_target[~adapted]


def _halve(labels, groups, seed, which):
    try:
        return assign_folds(labels, groups, 2, seed) == 0
    except ValueError as error:
        raise ValueError(f"target: {which} can't be halved: {error}") from error
