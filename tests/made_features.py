"""Features made for tests of the heads: overlapping clusters, pooled or as maps."""

import numpy as np

from tlkit.features.features import Features

N_FEATURES = 4


def make_features(n_classes=3, n_pictures=40, absent=(), seed=0, scale=3.0, map_size=None):
    """Return overlapping clusters of features, in a unit of their own; with `map_size`, as maps of that side."""
    random = np.random.default_rng(seed)
    present = np.setdiff1d(np.arange(n_classes), absent)
    labels = random.choice(present, n_pictures)
    labels[: len(present)] = present
    centres = random.normal(size=(n_classes, N_FEATURES))
    values = scale * (centres[labels] + random.normal(size=(n_pictures, N_FEATURES)) + 0.5)
    if map_size:
        values = values[..., None, None] + scale * random.normal(size=(n_pictures, N_FEATURES, map_size, map_size))
    names = np.array([f"{number}.png" for number in range(n_pictures)])
    classes = [f"class{label}" for label in range(n_classes)]
    return Features(values.astype(np.float32), labels, classes, names, names, {"backbone": "made", "engine": "none"})


def make_features_for(kind, **settings):
    """Return features that a kind of head takes: maps for a convolutional one."""
    return make_features(map_size=3 if kind == "conv" else None, **settings)


def softmax(scores):
    """Return the softmax of each row."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
