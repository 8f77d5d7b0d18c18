"""Features, groups and labels of pictures as plain arrays, checked. Without torch."""

import numpy as np

from tlkit.arguments import check_finite, check_present, check_shape, read_array, read_labels
from tlkit.features.features import Features


def check_features(features):
    """Raise TypeError if the argument is no `Features`."""
    if not isinstance(features, Features):
        raise TypeError(f"features: a {type(features).__name__}, expected Features, as extract_features returns them")


def check_rows(argument, values, hint=""):
    """Return the features of one domain as float64 (n, d) with n at least 2 and d at least 1."""
    values = read_array(argument, values)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        found = f"shape {values.shape} of type {values.dtype}, expected (n, d) numbers, one row of features per picture"
        raise TypeError(f"{argument}: {found}; {hint}Features keep them in .values")
    if len(values) < 2 or not values.shape[1]:
        raise ValueError(f"{argument}: shape {values.shape}, expected at least two pictures and one feature")
    values = values.astype(np.float64, copy=False)
    check_finite(argument, values)
    return values


def check_pair(source, target):
    """Return the features of two domains, (n, d) and (m, d), as float64; both need the same d."""
    source, target = check_rows("source", source), check_rows("target", target)
    if source.shape[1] != target.shape[1]:
        found = f"{target.shape[1]} features per picture, expected {source.shape[1]} as in the source"
        raise ValueError(f"target: {found}: take both from the same backbone and stage")
    return source, target


def check_groups(source_groups, target_groups, n_source, n_target):
    """Return the groups of both domains as numbers, (n_source + n_target,) int64; without groups, one per picture."""
    if source_groups is None and target_groups is None:
        return np.arange(n_source + n_target)
    source_groups = read_groups("source_groups", source_groups, n_source, ", for both domains or neither")
    target_groups = read_groups("target_groups", target_groups, n_target, ", for both domains or neither")
    # A name that occurs in both domains is one group.
    together = np.concatenate([source_groups.astype(str), target_groups.astype(str)])
    return np.unique(together, return_inverse=True)[1]


def read_groups(argument, groups, n_rows, condition=""):
    """Return groups as a plain array (n_rows,), whole numbers as int; ValueError if some are missing."""
    groups = check_shape(argument, groups, (n_rows,), f"one group per picture{condition}")
    check_present(argument, groups.tolist())
    return groups.astype(np.int64) if groups.dtype.kind == "f" and (groups % 1 == 0).all() else groups


def check_labels(labels, argument="labels", n_rows=None):
    """Return labels (n,) int or str as (n,) int64 from 0 in sorted order, and the number of different ones."""
    given = read_labels(argument, labels)
    if given.ndim != 1:
        found = f"shape {given.shape}, expected (n,), one class per picture"
        raise TypeError(f"{argument}: {found}; were the arguments swapped?")
    if not len(given):
        raise ValueError(f"{argument}: none, expected the class of at least one picture")
    if given.dtype.kind not in "iuUb":
        raise TypeError(f"{argument}: values of type {given.dtype}, expected whole numbers or names: use .astype(int)")
    if n_rows is not None and len(given) != n_rows:
        raise ValueError(f"{argument}: {len(given)}, expected {n_rows}, one per picture")
    present, indices = np.unique(given, return_inverse=True)
    return indices, len(present)
