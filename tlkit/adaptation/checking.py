"""What the methods of `tlkit.adaptation` check of features of two domains. Without torch."""

import numpy as np

from tlkit.heads.checking import check_finite


def check_pair(source, target):
    """Return features of two domains as float64.

    Arguments
    ---------
    source: (n, d)
    target: (m, d)

    Raises TypeError or ValueError, naming the argument, for what can't be features of two pictures or more with the
    same d on both sides.

    >>> [values.shape for values in check_pair([[1], [2]], [[3], [4], [5]])]
    [(2, 1), (3, 1)]
    """
    source, target = check_rows("source", source), check_rows("target", target)
    if source.shape[1] != target.shape[1]:
        raise ValueError(
            f"target: {target.shape[1]} features a picture, expected {source.shape[1]}, as of the source: take both "
            "from the same backbone and stage"
        )
    return source, target


def check_rows(argument, values):
    """Return features of one domain as float64 (n, d), n at least 2; TypeError or ValueError, naming the argument."""
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise TypeError(
            f"{argument}: shape {values.shape} of type {values.dtype}, expected (n, d) numbers, a row of features a "
            "picture; Features keep them in .values"
        )
    if len(values) < 2 or not values.shape[1]:
        raise ValueError(f"{argument}: shape {values.shape}, expected two pictures or more with a feature or more")
    values = values.astype(np.float64, copy=False)
    check_finite(argument, values)
    return values


def check_groups(source_groups, target_groups, n_source, n_target):
    """Return the group of each picture of both domains as numbers, (n_source + n_target,) int64.

    Arguments
    ---------
    source_groups: (n_source,) or None
        None makes each picture a group of its own.
    target_groups: (n_target,) or None
        A name that stands on both sides is one group.
    n_source, n_target: int

    Raises ValueError for another number of them, or where one domain has groups and the other none.

    >>> check_groups(["a", "b"], ["b"], 2, 1)
    array([0, 1, 1])
    """
    if source_groups is None and target_groups is None:
        return np.arange(n_source + n_target)
    for argument, groups, n_rows in (
        ("source_groups", source_groups, n_source),
        ("target_groups", target_groups, n_target),
    ):
        if groups is None or np.shape(groups) != (n_rows,):
            came = "None" if groups is None else f"shape {np.shape(groups)}"
            raise ValueError(
                f"{argument}: {came}, expected ({n_rows},), a group a picture, for both domains or neither"
            )
    together = np.concatenate([np.asarray(source_groups).astype(str), np.asarray(target_groups).astype(str)])
    return np.unique(together, return_inverse=True)[1]
