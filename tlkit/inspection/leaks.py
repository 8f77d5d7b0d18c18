"""Data leakage between training and test set: shared groups, files and near duplicates. Without torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tlkit.images.imageset import check_images
from tlkit.inspection.near_duplicates import MIN_SIMILARITY, find_near_duplicates

if TYPE_CHECKING:
    import pandas as pd

    from tlkit.images.imageset import ImageSet


@dataclasses.dataclass(frozen=True, eq=False)
class Leaks:
    """Leaks from a training set into a test set; `find_leaks` makes one, and it displays in words."""

    pairs: pd.DataFrame  # train, test, similarity, mirrored, kind ("same file" or "near"), same_group, same_class
    groups: list[str]  # present in both sets, sorted
    in_train: np.ndarray  # (n_train,) bool: in a shared group or in a pair
    in_test: np.ndarray  # (n_test,) bool

    def __repr__(self):
        n_files = int((self.pairs["kind"] == "same file").sum())
        n_near = len(self.pairs) - n_files
        n_other_group = int((~self.pairs["same_group"]).sum())
        if not self.in_test.any():
            return f"No leak found: {len(self.in_train)} training and {len(self.in_test)} test pictures"
        return (
            f"{self.in_train.sum()} of {len(self.in_train)} training pictures leak into {self.in_test.sum()} of "
            f"{len(self.in_test)} test pictures: {_count(len(self.groups), 'shared group')}, "
            f"{_count(n_files, 'pair')} of the same file, {_count(n_near, 'pair')} of near duplicates "
            f"({n_other_group} of all pairs in different groups)"
        )


def find_leaks(
    train: ImageSet, test: ImageSet, *, min_similarity: float = MIN_SIMILARITY, mirrored: bool = True
) -> Leaks:
    """Find data leakage: groups, files and near duplicates that a test set shares with the training set.

    Parameters
    ----------
    train, test : ImageSet
        Training and test pictures.
    min_similarity : float, default 0.87
        Smallest similarity of a pair of near duplicates, above 0 and up to 1.
    mirrored : bool, default True
        Find mirrored copies too.

    Returns
    -------
    Leaks
        It displays as a sentence. `pairs` is a table of leaking pairs, `groups` lists shared groups, and `in_train` and
        `in_test` mark the pictures concerned.

    Raises
    ------
    TypeError, ValueError
        If an argument is no ImageSet, or the similarity is out of range.

    Notes
    -----
    Groups are compared by name, pictures by their content; `find_near_duplicates` lists the changes under which a copy
    is still found.

    Examples
    --------
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
    found = find_near_duplicates(train, test, min_similarity=min_similarity, mirrored=mirrored)
    train_rows, test_rows = found["first"].to_numpy(), found["second"].to_numpy()
    train_classes, test_classes = (np.array(images.classes)[images.labels] for images in (train, test))
    pairs = pd.DataFrame(
        {
            "train": train.names[train_rows],
            "test": test.names[test_rows],
            **found[["similarity", "mirrored", "kind"]],
            "same_group": train.groups[train_rows] == test.groups[test_rows],
            "same_class": train_classes[train_rows] == test_classes[test_rows],
        }
    )
    groups = np.intersect1d(train.groups, test.groups)
    in_train, in_test = np.isin(train.groups, groups), np.isin(test.groups, groups)
    in_train[train_rows] = in_test[test_rows] = True
    return Leaks(pairs, groups.tolist(), in_train, in_test)


def _count(number, noun):
    """Return a number with its noun, which gets an "s" unless the number is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
