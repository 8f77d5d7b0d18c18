"""What the scores of `tlkit.selection` check of their arguments, and what they warn of. Without torch."""

import warnings

import numpy as np

from tlkit.arguments import check_labels, check_rows

# Where pictures are few, some features are the same on all of them by chance; more than this share is worth a word.
_CONSTANT_SHARE = 0.1


class SelectionWarning(UserWarning):
    """Something that fools a score of transferability."""


def check_values(values, labels):
    """Return (values, labels, n_classes) of a score that is computed from features.

    Arguments
    ---------
    values: (n, d)
        Features.
    labels: (n,) int or str

    The values come back as float64, the labels as `check_labels` returns them. Raises TypeError or ValueError, naming
    the argument, where they can't be features with a label each.
    """
    given = check_rows("values", values, "were the arguments swapped? " if np.ndim(labels) == 2 else "")
    labels, n_classes = check_labels(labels, n_rows=len(given))
    if n_classes < 2:
        raise ValueError(f"labels: {len(given)} pictures of {n_classes} class, expected two classes or more")
    n_constant = int((np.ptp(given, axis=0) == 0).sum())
    if n_constant == given.shape[1]:
        raise ValueError("values: every feature is the same on all pictures, expected some that differ")
    if n_constant > _CONSTANT_SHARE * given.shape[1]:
        _warn(f"values: {n_constant} of {given.shape[1]} features are the same on all pictures and say nothing")
    return given, labels, n_classes


def warn_of_width(values):
    """Warn where there are fewer pictures than features, in which a score that doesn't test itself finds any class."""
    n, d = values.shape
    if n < d:
        _warn(
            f"values: {n} pictures and {d} features; with fewer pictures than features this score depends on their "
            "number as well: compare it only among networks of equal n_features, or add pictures"
        )


def warn_of_single_pictures(labels):
    """Warn of classes with one picture, which can't be learned and tested both."""
    n_single = int((np.bincount(labels) == 1).sum())
    if n_single:
        _warn(f"labels: {n_single} classes have one picture, which counts as wrong whatever the features: add pictures")


def _warn(text):
    # The caller's caller is whoever called the score.
    warnings.warn(text, SelectionWarning, stacklevel=4)
