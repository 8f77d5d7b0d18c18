"""What a test set shares with the training set: groups, files, and pictures that are nearly the same. Without torch."""

import dataclasses

import numpy as np

from tlkit.images.imageset import check_images
from tlkit.inspection.near_duplicates import LEAST_SIMILARITY, find_near_duplicates


@dataclasses.dataclass(frozen=True, eq=False)
class Leaks:
    """What leaks from a training set into a test set; `find_leaks` makes one, displays in words.

    Arguments
    ---------
    pairs: DataFrame
        A row a pair of pictures that are nearly the same, the most similar first: train, test (names), similarity (up
        to 1), mirrored, kind ("same file" or "near"), same_group, same_class.
    groups: list of str
        Those that stand on both sides, sorted.
    in_train: (n_train,) bool
        Training pictures that leak: of a shared group, or in a pair.
    in_test: (n_test,) bool
        Test pictures that are leaked to.
    """

    pairs: object
    groups: list
    in_train: np.ndarray
    in_test: np.ndarray

    def __repr__(self):
        n_files = int((self.pairs["kind"] == "same file").sum())
        n_near = len(self.pairs) - n_files
        n_new = int((~self.pairs["same_group"]).sum())
        if not self.in_test.any():
            return f"No leak found: {len(self.in_train)} training and {len(self.in_test)} test pictures"
        return (
            f"{self.in_test.sum()} of {len(self.in_test)} test pictures are leaked to, by {self.in_train.sum()} of "
            f"{len(self.in_train)} training pictures: {_count(len(self.groups), 'group')} on both sides, "
            f"{_count(n_files, 'pair')} of the same file, {_count(n_near, 'pair')} of near duplicates "
            f"({n_new} of all pairs in no common group)"
        )


def find_leaks(train, test, *, least_similarity=LEAST_SIMILARITY, mirrored=True):
    """Find what a test set shares with the training set.

    Groups are compared by name, pictures by what they show; see `find_near_duplicates` for what a copy may have gone
    through and still be found.

    Arguments
    ---------
    train, test: ImageSet
    least_similarity: float
    mirrored: bool
        Find mirrored copies too.

    Returns `Leaks`. Raises TypeError or ValueError as `find_near_duplicates` does.

    >>> import tlkit as tl
    >>> clipart = tl.load_images("styles", domain="clipart")
    >>> train, test = clipart[:12], clipart[10:20]
    >>> leaks = find_leaks(train, test)
    >>> leaks.pairs.kind.tolist(), int(leaks.in_train.sum())
    (['same file', 'same file'], 2)
    """
    import pandas as pd

    for name, images in (("train", train), ("test", test)):
        check_images(name, images)
    found = find_near_duplicates(train, test, least_similarity=least_similarity, mirrored=mirrored)
    ours, theirs = found["first"].to_numpy(), found["second"].to_numpy()
    names = (np.array(images.classes)[images.labels] for images in (train, test))
    train_classes, test_classes = names
    pairs = pd.DataFrame(
        {
            "train": train.names[ours],
            "test": test.names[theirs],
            **found[["similarity", "mirrored", "kind"]],
            "same_group": train.groups[ours] == test.groups[theirs],
            "same_class": train_classes[ours] == test_classes[theirs],
        }
    )
    groups = np.intersect1d(train.groups, test.groups)
    in_train, in_test = np.isin(train.groups, groups), np.isin(test.groups, groups)
    in_train[ours] = in_test[theirs] = True
    return Leaks(pairs, groups.tolist(), in_train, in_test)


def _count(number, word):
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
