"""What a leak is worth: accuracy with the leaked pictures in training and without, from equally many. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_count
from tlkit.evaluation.intervals import two_way_interval
from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.inspection.leaks import find_leaks


@dataclasses.dataclass(frozen=True, eq=False)
class LeakCost:
    """What a leak adds to a score; `measure_leak` makes one, displays in words.

    Arguments
    ---------
    accuracy_with, accuracy_without: float
        Shares of the test pictures that are labelled right: trained with the leaked pictures, and with as many others.
    inflation, low, high: float
        The difference, and its 95 % interval over seeds and groups of test pictures; NaN where there is one seed.
    right_with, right_without: (n_seeds, n_test) bool
        Which test pictures are labelled right.
    n_leaked: int
        Training pictures that leak.
    n_with, n_without: int
        Training pictures of each arm. Where a class has fewer others than leaked pictures, the first has more.
    """

    accuracy_with: float
    accuracy_without: float
    inflation: float
    low: float
    high: float
    right_with: np.ndarray
    right_without: np.ndarray
    n_leaked: int
    n_with: int
    n_without: int

    def __repr__(self):
        interval = f" ({self.low:+.2f} to {self.high:+.2f})" if np.isfinite(self.low) else ""
        return (
            f"accuracy {self.accuracy_with:.2f} with the leak, {self.accuracy_without:.2f} without: "
            f"{self.inflation:+.2f}{interval}; {self.n_leaked} training pictures leak, heads learned "
            f"{self.n_with} and {self.n_without}"
        )


def measure_leak(backbone, train, test, leaks=None, *, kind="logistic", seeds=5):
    """Measure what a leak adds to the accuracy of a head on frozen features.

    Two heads are fitted a seed and asked for the same test pictures. One learns without the training pictures that
    leak. The other keeps them and goes without as many others of the same classes, drawn at random: to leave pictures
    out costs accuracy whether they leak or not, and this must not be counted as leak.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    train, test: ImageSet
    leaks: Leaks, optional
        By default those that `find_leaks` finds.
    kind: str
        Of the head, as in `fit_head`.
    seeds: int
        How many times the others are drawn.

    Returns a `LeakCost`. Raises ValueError where nothing leaks, or nothing else is left of a class.

    >>> import tlkit as tl
    >>> clipart = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> cost = measure_leak(backbone, clipart, clipart[::4], seeds=2)
    >>> cost.right_with.shape == (2, len(clipart[::4])), cost.n_with >= cost.n_leaked
    (True, True)
    """
    seeds = check_count("seeds", seeds, 1)
    leaks = leaks or find_leaks(train, test)
    if leaks.in_train.shape != (len(train),) or leaks.in_test.shape != (len(test),):
        raise ValueError(
            f"leaks: of {len(leaks.in_train)} training and {len(leaks.in_test)} test pictures, expected those of these "
            f"sets, {len(train)} and {len(test)}"
        )
    if not leaks.in_train.any():
        raise ValueError("leaks: no training picture leaks, so there is nothing to measure")
    test = test.with_classes(train.classes)
    only_leaked = np.setdiff1d(train.labels[leaks.in_train], train.labels[~leaks.in_train])
    if len(only_leaked):
        raise ValueError(
            f"train: every picture of {train.classes[only_leaked[0]]!r} leaks, so nothing is left to learn it from; "
            "leave the class out with select(classes=…), or add pictures"
        )
    learned, asked = (extract_features(backbone, images, progress=False) for images in (train, test))
    rows = [_draw_rows(train.labels, leaks.in_train, seed) for seed in range(seeds)]
    right_with = np.array([_find_right(learned[kept], asked, kind) for kept in rows])
    right_without = np.tile(_find_right(learned[~leaks.in_train], asked, kind), (seeds, 1))
    low, high = two_way_interval(right_with.astype(float) - right_without, test.groups)
    accuracies = float(right_with.mean()), float(right_without.mean())
    sizes = int(leaks.in_train.sum()), len(rows[0]), int((~leaks.in_train).sum())
    return LeakCost(*accuracies, accuracies[0] - accuracies[1], low, high, right_with, right_without, *sizes)


def _find_right(learned, asked, kind):
    return fit_head(learned, kind).predict(asked.values).argmax(axis=1) == asked.labels


def _draw_rows(labels, leaking, seed):
    """Return the rows (m,) of all leaking pictures, and of the others less as many of each class."""
    random = np.random.default_rng(seed)
    kept = [np.flatnonzero(leaking)]
    for label in np.unique(labels):
        others = np.flatnonzero(~leaking & (labels == label))
        n_kept = max(0, len(others) - int(np.sum(leaking & (labels == label))))
        kept.append(random.choice(others, n_kept, replace=False))
    return np.sort(np.concatenate(kept))
