"""Load pictures with several labels each, in columns of 0 and 1 or as lists of classes."""

import dataclasses

import numpy as np

from tlkit.arguments import check_count, is_missing
from tlkit.images.inputs import UNLABELLED
from tlkit.images.scan import warn_of_copies
from tlkit.images.tables import complete, list_entries


def load_label_columns(columns, names, scan, *, domain):
    """Return the `ImageSet` that `scan` makes of `Columns` with labels of 0 and 1, or lists of classes by number."""
    if isinstance(names, list):
        if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise ValueError(f"label: {names}, expected the names of two or more columns of 0 and 1")
        table = np.array([_read_row(row, values, names, columns) for row, values in enumerate(columns.labels)])
    else:
        names = columns.classes
        table = np.zeros((len(columns.labels), len(names)), int)
        for row, labels in enumerate(columns.labels):
            table[row, [check_count(f"label: row {row}", label, 0, len(names) - 1) for label in labels]] = 1
    entries, _ = list_entries(columns._replace(labels=[UNLABELLED] * len(table), classes=None))
    domain = domain if columns.domains is None else None
    images = scan(entries, domain=domain or "own", location=columns.location, n_least_classes=1)
    images = complete(images, entries, columns)
    rows = {id(file): row for row, (_, _, file) in enumerate(entries)}
    labels = table[[rows[id(file)] for file in images.pictures]]
    labelled = [(name, tuple(row), None) for name, row in zip(images.names, labels.tolist(), strict=True)]
    warn_of_copies(labelled, [images.digest(row) for row in range(len(images))], columns.location)
    return dataclasses.replace(images, labels=labels, classes=names)


def _read_row(row, values, names, columns):
    """Return the labels of one picture as a list of 0 and 1."""
    if np.ndim(values) != 1 or len(values) != len(names):
        place, shown = f"row {row} of {columns.location}", str(values)[:80]
        raise ValueError(f"label: {place} has {shown!r}, expected one 0 or 1 for each of {', '.join(names)}")
    for name, value in zip(names, values, strict=True):
        if is_missing(value) or isinstance(value, str) or value not in (0, 1):
            advice = "; it is unknown, so leave the picture or the column out" if is_missing(value) else ""
            raise ValueError(f"label: {name} is {value!r} in row {row} of {columns.location}, expected 0 or 1{advice}")
    return [int(value) for value in values]
