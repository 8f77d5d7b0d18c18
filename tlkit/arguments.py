"""Argument checks and spelling suggestions, shared by all folders. Without torch."""

import difflib
import math
import numbers
import operator

import numpy as np


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


def check_columns(argument, table, wanted):
    """Raise ValueError where a DataFrame lacks one of the wanted columns."""
    if missing := sorted(wanted - set(table.columns)):
        raise ValueError(f"{argument}: has no {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")


def suggest(name, known):
    """Say which known names are nearest to one that isn't known (str).

    >>> suggest("clip-art", ["photo", "clipart"])
    "nearest: 'clipart'; known: 'clipart', 'photo'"
    >>> suggest("xyz", ["photo", "clipart"])
    "known: 'clipart', 'photo'"
    """
    lowered = {item.casefold(): item for item in known}
    nearest = [lowered[item] for item in difflib.get_close_matches(str(name).casefold(), lowered, n=3)]
    listed = sorted(known)
    text = "known: " + (", ".join(map(repr, listed[:20])) or "none")
    if len(listed) > 20:
        text += f" and {len(listed) - 20} more"
    if not nearest:
        return text
    return "nearest: " + ", ".join(map(repr, nearest)) + "; " + text


def check_known(argument, names, known):
    """Return names as a list, once all of them are known.

    Arguments
    ---------
    argument: str
        What the caller calls the names, for the error.
    names: str or sequence of str
    known: sequence of str

    Raises ValueError for a name that isn't among the known ones, TypeError for what isn't a str.

    >>> check_known("domain", "photo", ["photo", "clipart"])
    ['photo']
    """
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: {name!r} is a {type(name).__name__}, expected a str or a list of str")
        if name not in known:
            raise ValueError(f"{argument}: {str(name)!r} is unknown; {suggest(name, known)}")
    return names


def check_positive(argument, value, or_else=None):
    """Return a number above 0 as float, or the one text that may stand in its place.

    Arguments
    ---------
    argument: str
        Its name, for the error.
    value: float or str
    or_else: str, optional
        The text that is allowed too.

    >>> check_positive("l2_penalty", 2)
    2.0
    """
    if or_else is not None and isinstance(value, str) and value == or_else:
        return value
    allowed = "a number above 0" + (f" or {or_else!r}" if or_else else "")
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_number and value > 0 and math.isfinite(value)):
        raise ValueError(f"{argument}: {value!r}, expected {allowed}")
    return float(value)


def check_finite(argument, values):
    """Raise ValueError where some values are no numbers: from there on every class would look as likely."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"{argument}: some values are NaN or infinite; extract them again, and check the network's weights"
        )


def check_labels(labels, argument="labels", n_rows=None):
    """Return labels as (n,) int64 from 0, in the order of the sorted labels, and the number of different ones.

    Arguments
    ---------
    labels: (n,) int or str
    argument: str
        What the caller calls them.
    n_rows: int, optional
        How many there must be.

    Raises TypeError for what can't be labels, ValueError for another number of them.

    >>> check_labels(["bug", "bird", "bug"])
    (array([1, 0, 1]), 2)
    """
    given = np.asarray(labels)
    if given.ndim != 1:
        raise TypeError(
            f"{argument}: shape {given.shape}, expected (n,), a class a picture; were the arguments swapped?"
        )
    if given.dtype.kind not in "iuUb":
        raise TypeError(
            f"{argument}: values of type {given.dtype}, expected whole numbers or names of classes; "
            "where they are classes, convert them with .astype(int)"
        )
    if n_rows is not None and len(given) != n_rows:
        raise ValueError(f"{argument}: {len(given)}, expected {n_rows}, one a picture")
    present, numbers = np.unique(given, return_inverse=True)
    return numbers, len(present)


def check_class_indices(argument, labels, n_rows, n_classes):
    """Return labels as an (n_rows,) int array; ValueError unless all are from 0 to n_classes - 1."""
    labels = np.asarray(labels)
    if labels.shape != (n_rows,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"{argument}: expected {n_rows} whole numbers from 0 to {n_classes - 1}, one class index per picture"
        )
    return labels


def check_probabilities(probabilities):
    """Return (n, n_source_classes) float64 probabilities; TypeError or ValueError where they aren't any."""
    given = np.asarray(probabilities)
    if given.ndim != 2 or given.dtype.kind != "f":
        raise TypeError(
            f"probabilities: shape {given.shape} of type {given.dtype}, expected (n, n_source_classes) floats, a row a "
            "picture; were the arguments swapped?"
        )
    given = given.astype(np.float64, copy=False)
    if not (np.isfinite(given).all() and (given >= 0).all() and np.allclose(given.sum(axis=1), 1, atol=1e-3)):
        raise ValueError(
            "probabilities: rows that are no probabilities (from 0 on, with a sum of 1); of the last layer's outputs "
            "take the softmax, and features are none"
        )
    return given


def check_count(argument, value, lowest, highest=None):
    """Return a whole number as int; TypeError or ValueError, naming the argument, if it isn't."""
    expected = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}: {value!r} is a {type(value).__name__}, expected an int, {expected}") from None
    if isinstance(value, bool) or number < lowest or (highest is not None and number > highest):
        raise ValueError(f"{argument}: {value!r}, expected an int, {expected}")
    return number
