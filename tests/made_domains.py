"""Features of two domains made for tests: clusters of classes, moved, turned or stretched from one to the other."""

import numpy as np


def make_pair(n=40, m=30, d=5, n_classes=3, seed=0, moved=0.0, mixed=0.0):
    """Return (source, its labels, target, its labels): the target moved by a vector and mixed by a random matrix."""
    random = np.random.default_rng(seed)
    centres = 3 * random.normal(size=(n_classes, d))
    source_labels, target_labels = np.arange(n) % n_classes, np.arange(m) % n_classes
    source = centres[source_labels] + random.normal(size=(n, d))
    target = centres[target_labels] + random.normal(size=(m, d))
    matrix = np.eye(d) + mixed * random.normal(size=(d, d))
    return source, source_labels, target @ matrix + moved * random.normal(size=d), target_labels


def make_blobs(n=200, matrix=((1.0, 0.0), (0.0, 1.0)), shift=(0.0, 0.0), shares=(0.5, 0.5), seed=0):
    """Return (source, labels, target, labels): two classes in the plane, the target's multiplied by a matrix and moved.

    The classes lie apart along the diagonal, in which they are narrow; across it they are wide, so that both classes
    together spread alike in all directions, and which direction tells them apart can't be seen without labels.
    """
    random = np.random.default_rng(seed)
    diagonal, across = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    sides = []
    for weights in ((0.5, 0.5), shares):
        labels = np.repeat([0, 1], [round(n * weights[0]), n - round(n * weights[0])])
        along = 2.1 * (2 * labels - 1) + 0.6 * random.normal(size=n)
        sides.append((along[:, None] * diagonal + 2.2 * random.normal(size=(n, 1)) * across, labels))
    (source, source_labels), (target, target_labels) = sides
    return source, source_labels, target @ np.asarray(matrix) + shift, target_labels
