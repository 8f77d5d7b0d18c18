"""Argument checks of the scores in `tlkit.selection`, and their warnings. Without torch."""

import numpy as np

from tlkit.features.arrays import check_labels, check_rows
from tlkit.notices import warn

# With few pictures, some features are constant by chance; a larger share than this deserves a warning.
CONSTANT_SHARE = 0.1


class SelectionWarning(UserWarning):
    """Warn of a condition that misleads scores of transferability.

    Examples
    --------
    >>> import warnings; warnings.simplefilter("ignore", SelectionWarning)
    """


def check_values(values, labels):
    """Return (n, d) float64 features, (n,) class indices and the number of classes; warn of constant features."""
    given = check_rows("values", values, "were the arguments swapped? " if np.ndim(labels) == 2 else "")
    labels, n_classes = check_labels(labels, n_rows=len(given))
    if n_classes < 2:
        raise ValueError(f"labels: {len(given)} pictures of {n_classes} class, expected two classes or more")
    n_constant = int((np.ptp(given, axis=0) == 0).sum())
    if n_constant == given.shape[1]:
        raise ValueError("values: every feature is the same on all pictures, expected some that differ")
    if n_constant > CONSTANT_SHARE * given.shape[1]:
        warn_of(f"values: {n_constant} of {given.shape[1]} features are the same on all pictures and don't inform")
    return given, labels, n_classes


def warn_of_width(values):
    """Warn if (n, d) features have n < d: a score without held-out pictures then separates any classes."""
    n, d = values.shape
    if n < d:
        warn_of(
            f"values: {n} pictures and {d} features; with fewer pictures than features this score also depends on the "
            "number of features: compare only networks of equal n_features, or add pictures"
        )


def warn_of_single_pictures(labels):
    """Warn of classes with one picture, which can't be in training and test set."""
    n_single = int((np.bincount(labels) == 1).sum())
    if n_single:
        warn_of(f"labels: {n_single} classes have one picture, which counts as wrong for any features: add pictures")


def warn_of(text):
    """Warn about the data of a score."""
    warn(text, SelectionWarning)
