"""Data leakage between training and test set: shared groups, files and near duplicates, and its cost. Without torch."""

import dataclasses

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.evaluation.intervals import two_way_interval
from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.images.imageset import ImageSet, check_images
from tlkit.images.layout import count
from tlkit.inspection.near_duplicates import MIN_SIMILARITY, find_near_duplicates


@dataclasses.dataclass(frozen=True, eq=False)
class Leaks:
    """Leaks from a training set into a test set; `find_leaks` makes one, and it displays in words."""

    pairs: pd.DataFrame  # train, test, similarity, mirrored, kind (as in find_near_duplicates), same_group, same_class
    groups: list[str]  # present in both sets, sorted
    in_train: np.ndarray  # (n_train,) bool: in a shared group or in a pair
    in_test: np.ndarray  # (n_test,) bool
    noun: str = "picture"

    def __repr__(self):
        n_files = int((self.pairs["kind"] != "near").sum())
        n_near = len(self.pairs) - n_files
        same = "file" if self.noun == "picture" else "text"
        n_other_group = int((~self.pairs["same_group"]).sum())
        if not self.in_test.any():
            return f"No leak found: {len(self.in_train)} training and {len(self.in_test)} test {self.noun}s"
        return (
            f"{self.in_train.sum()} of {len(self.in_train)} training {self.noun}s leak into {self.in_test.sum()} of "
            f"{len(self.in_test)} test {self.noun}s: {count(len(self.groups), 'shared group')}, "
            f"{count(n_files, 'pair')} of the same {same}, {count(n_near, 'pair')} of near duplicates "
            f"({n_other_group} of all pairs in different groups)"
        )


def find_leaks(
    train: ImageSet, test: ImageSet, *, min_similarity: float = MIN_SIMILARITY, mirrored: bool = True
) -> Leaks:
    """Find data leakage: groups, files and near duplicates that a test set shares with the training set.

    Parameters
    ----------
    train, test : ImageSet or TextSet
        Training and test pictures, or texts.
    min_similarity, mirrored : float and bool
        As in `find_near_duplicates`, which compares contents. Groups are compared by name.

    Returns
    -------
    Leaks
        `pairs` is a table of leaks, `groups` lists shared groups, `in_train` and `in_test` mark the pictures concerned.

    Raises
    ------
    TypeError, ValueError
        If an argument is no ImageSet, or the similarity is out of range.

    Examples
    --------
    >>> clipart = tl.load_images("styles", domain="clipart")
    >>> find_leaks(clipart[:12], clipart[10:20]).pairs.kind.tolist()
    ['same file', 'same file']
    """
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
    return Leaks(pairs, groups.tolist(), in_train, in_test, train.noun)


@dataclasses.dataclass(frozen=True, eq=False)
class LeakCost:
    """Inflation of a score by a leak; `measure_leak` makes one, and it displays in words."""

    accuracy_with: float  # trained with the leaked pictures
    accuracy_without: float  # trained with as many others
    inflation: float  # the first minus the second
    low: float  # its 95 % interval over seeds and groups of test pictures, NaN with one seed
    high: float
    right_with: np.ndarray  # (n_seeds, n_test) bool: test pictures predicted correctly
    right_without: np.ndarray
    n_leaked: int  # training pictures that leak
    n_with: int  # training pictures of each arm; the first has more if a class has fewer others than leaked ones
    n_without: int

    def __repr__(self):
        interval = f" ({self.low:+.2f} to {self.high:+.2f})" if np.isfinite(self.low) else ""
        return (
            f"accuracy {self.accuracy_with:.2f} with the leak, {self.accuracy_without:.2f} without: "
            f"{self.inflation:+.2f}{interval}; {self.n_leaked} training pictures leak, heads were trained on "
            f"{self.n_with} and {self.n_without} pictures"
        )


def measure_leak(
    backbone: "tl.Backbone | str",
    train: ImageSet,
    test: ImageSet,
    leaks: Leaks | None = None,
    *,
    kind: str = "logistic",
    seeds: int = 5,
) -> LeakCost:
    """Measure by how much a leak inflates the accuracy of a head on frozen features.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone, or a name for `load_backbone`.
    train, test, leaks : ImageSet, ImageSet, and Leaks, optional
        Training and test pictures, and by default the result of `find_leaks`.
    kind, seeds : str and int
        Kind of head, as in `fit_head`, and number of times that the removed pictures are drawn, by default 5.

    Returns
    -------
    LeakCost
        Accuracies with and without the leak, their difference (`inflation`) and its 95 % interval (`low`, `high`).

    Raises
    ------
    ValueError
        If nothing leaks, or every picture of a class leaks.

    Notes
    -----
    Two heads are fitted per seed and tested on the same pictures: one without the leaking pictures, and one with them,
    but without equally many others of the same classes, since fewer pictures alone lower the accuracy.

    Examples
    --------
    >>> clipart = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> cost = measure_leak(backbone, clipart, clipart[::4], seeds=2)
    >>> cost.n_with >= cost.n_leaked
    True
    """
    seeds = check_count("seeds", seeds, 1)
    leaks = leaks or find_leaks(train, test)
    if leaks.in_train.shape != (len(train),) or leaks.in_test.shape != (len(test),):
        found = f"leaks: of {len(leaks.in_train)} training and {len(leaks.in_test)} test pictures"
        raise ValueError(f"{found}, expected those of these sets, {len(train)} and {len(test)}")
    if not leaks.in_train.any():
        raise ValueError("leaks: no training picture leaks, so there is nothing to measure")
    test = test.with_classes(train.classes)
    only_leaked = np.setdiff1d(train.labels[leaks.in_train], train.labels[~leaks.in_train])
    if len(only_leaked):
        name = train.classes[only_leaked[0]]
        raise ValueError(f"train: every picture of {name!r} leaks: remove it with select(classes=…), or add pictures")
    train_features, test_features = (extract_features(backbone, images, progress=False) for images in (train, test))
    rows = [_draw_rows(train.labels, leaks.in_train, seed) for seed in range(seeds)]
    right_with = np.array([_find_right(train_features[kept], test_features, kind) for kept in rows])
    right_without = np.tile(_find_right(train_features[~leaks.in_train], test_features, kind), (seeds, 1))
    low, high = two_way_interval(right_with.astype(float) - right_without, test.groups)
    accuracies = float(right_with.mean()), float(right_without.mean())
    sizes = int(leaks.in_train.sum()), len(rows[0]), int((~leaks.in_train).sum())
    return LeakCost(*accuracies, accuracies[0] - accuracies[1], low, high, right_with, right_without, *sizes)


def _find_right(train, test, kind):
    """Return which test features, (n_test,) bool, a head trained on others predicts correctly."""
    return fit_head(train, kind).predict(test.values).argmax(axis=1) == test.labels


def _draw_rows(labels, leaking, seed):
    """Return rows (m,) of all leaking pictures, and of the others minus equally many of each class."""
    random = np.random.default_rng(seed)
    kept = [np.flatnonzero(leaking)]
    for label in np.unique(labels):
        others = np.flatnonzero(~leaking & (labels == label))
        n_kept = max(0, len(others) - int(np.sum(leaking & (labels == label))))
        kept.append(random.choice(others, n_kept, replace=False))
    return np.sort(np.concatenate(kept))
