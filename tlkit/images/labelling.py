"""Labels into another list of classes, and the places that an index means: pure functions on arrays."""

import numpy as np


def renumber(labels, classes, new_classes):
    """Give labels into one list of classes as labels into another.

    Arguments
    ---------
    labels: (n,) int
        Into `classes`.
    classes, new_classes: list of str

    Returns (n,) int64, into `new_classes`. Raises ValueError where a class that occurs is missing from the
    new list, or where the new list names one twice.

    >>> renumber([0, 1, 1], ["cat", "dog"], ["ant", "cat", "dog"]).tolist()
    [1, 2, 2]
    """
    labels = np.asarray(labels, dtype=np.int64)
    lookup = {name: label for label, name in enumerate(new_classes)}
    if len(lookup) != len(new_classes):
        raise ValueError(f"classes: {new_classes} names a class twice, expected each one once")
    here = [classes[label] for label in np.unique(labels)]
    if missing := [name for name in here if name not in lookup]:
        raise ValueError(
            f"classes: {new_classes} lacks {missing}, of which there are pictures: add them, or leave their "
            "pictures out with select(classes=…)"
        )
    return np.array([lookup.get(name, -1) for name in classes], dtype=np.int64)[labels]


def find_places(index, n):
    """Turn an index into the places it means, in a sequence of n.

    Arguments
    ---------
    index: slice, sequence of int or (n,) bool
    n: int

    Returns (m,) int. Raises TypeError for another kind of index, IndexError beyond the end.

    >>> find_places([True, False, True], 3).tolist(), find_places(slice(1, None), 3).tolist()
    ([0, 2], [1, 2])
    """
    places = np.arange(n)
    if isinstance(index, slice):
        return places[index]
    indices = np.asarray(index)
    if indices.size == 0 and indices.dtype != bool:
        indices = indices.astype(np.int64)
    if indices.ndim != 1 or not (indices.dtype == bool or np.issubdtype(indices.dtype, np.integer)):
        raise TypeError(f"index: {index!r}, expected an int, a slice, a list of int or an (n,) mask of bool")
    return places[indices]
