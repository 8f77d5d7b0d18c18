"""A fixed test set, such as a published one: whether it fits the training pictures. Without torch."""

import warnings

import numpy as np

from tlkit.arguments import suggest
from tlkit.images.imageset import check_images
from tlkit.images.splits import split_for

FIXED_FOLD = -1  # of runs that all have the same test pictures


def choose_split(images, seed, test):
    """Return (fold, training ImageSet, test ImageSet) of a seed; with a fixed test set, all images are for training."""
    fold, train, tested = split_for(images, seed) if test is None else (FIXED_FOLD, images, test)
    if len(present := np.unique(train.labels)) < 2:
        rest = f"with seed {seed}, {', '.join(images.classes[label] for label in present)}"
        raise ValueError(
            f"images: the training pictures are of one class ({rest}), expected two or more: add pictures of the other "
            "classes (two groups of each, one to train and one to test on), or give test pictures with test="
        )
    return fold, train, tested


def read_test(images, test):
    """Return a test set with the classes of the training pictures; ValueError if it has others, or the same files."""
    check_images("test", test)
    if not len(test):
        raise ValueError("test: no pictures, expected one or more")
    known = [images.classes[label] for label in np.unique(images.labels)]
    if unknown := [name for label in np.unique(test.labels) if (name := test.classes[label]) not in known]:
        raise ValueError(
            f"test: {unknown[0]!r} is no class of the training pictures ({suggest(unknown[0], known)}): rename it, or "
            f"leave it out with test.select(classes={[name for name in known if name in test.classes]})"
        )
    rows = {images.digest(row): row for row in range(len(images))}
    copies = [(rows[digest], row) for row in range(len(test)) if (digest := test.digest(row)) in rows]
    is_shared = np.isin(test.groups, images.groups)
    if copies:
        first, row = copies[0]
        raise ValueError(
            f"test: {len(copies)} of {len(test)} pictures are training pictures too (data leakage), for example "
            f"{str(test.names[row])!r} is {str(images.names[first])!r}: remove these files from one of both, "
            + ("or pass images.disjoint_from(test)" if all(is_shared[row] for _, row in copies) else "by their hashes")
        )
    if is_shared.any() and not (images.groups == images.names).all():
        warnings.warn(
            f"test: {is_shared.sum()} of {len(test)} pictures share a group with training pictures, for example "
            f"{str(test.groups[is_shared.argmax()])!r}, so accuracies may be too high; pass images.disjoint_from(test)",
            stacklevel=4,
        )
    return test.with_classes(images.classes)
