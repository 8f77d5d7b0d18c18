"""Hand-made features, shapes and colours or words: the baseline from before deep learning. Without torch."""

import numpy as np

from tlkit.features.features import Features
from tlkit.notices import show_progress
from tlkit.texts.words import list_terms

_CELL_PX, _N_ORIENTATIONS, _COLOUR_BINS = 16, 9, 4
_N_TERMS = 10_000  # the most frequent ones


def extract_hand_made(images, image_size_px=96, progress=False):
    """Return `Features` of pictures: histograms of oriented gradients and of colours, each half with length 1."""
    # Gradients as in Dalal and Triggs 2005 (Histograms of oriented gradients for human detection), and a histogram of 4
    # × 4 × 4 bins of colours, whose square roots (Hellinger) keep large uniform areas from dominating.
    from PIL import Image
    from skimage.feature import hog

    if not image_size_px >= 2 * _CELL_PX:
        raise ValueError(f"image_size_px: {image_size_px}, expected {2 * _CELL_PX} or more, the side of one block")
    n_shapes = (image_size_px // _CELL_PX - 1) ** 2 * 4 * _N_ORIENTATIONS
    values = np.empty((len(images), n_shapes + _COLOUR_BINS**3), dtype=np.float32)
    for index in show_progress(None, "hand-made features", "picture", progress, iterable=range(len(images))):
        picture = images.read(index).resize((image_size_px, image_size_px), Image.Resampling.BILINEAR)
        blocks = {"pixels_per_cell": (_CELL_PX, _CELL_PX), "cells_per_block": (2, 2)}
        shapes = hog(np.asarray(picture.convert("L")), orientations=_N_ORIENTATIONS, **blocks)
        bins = np.asarray(picture).reshape(-1, 3) // (256 // _COLOUR_BINS)
        counts = np.bincount(bins @ np.array([_COLOUR_BINS**2, _COLOUR_BINS, 1]), minlength=_COLOUR_BINS**3)
        colours = np.sqrt(counts / len(bins))
        values[index, :n_shapes] = shapes / (np.linalg.norm(shapes) or 1)
        values[index, n_shapes:] = colours / np.linalg.norm(colours)
    provenance = {"backbone": "hand_made", "engine": "scikit-image", "image_size_px": str(image_size_px)}
    return Features(values, images.labels, images.classes, images.names, images.groups, provenance)


def weigh_terms(train, test):
    """Return `Features` of training and test texts: TF-IDF, with terms and their weights from the training texts."""
    # Terms are those of `list_terms`; their counts are logarithmic, and each row has length 1.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=list_terms, sublinear_tf=True, max_features=_N_TERMS, dtype=np.float32)
    texts = [[part.read(row) for row in range(len(part))] for part in (train, test)]
    values = vectorizer.fit_transform(texts[0]).toarray(), vectorizer.transform(texts[1]).toarray()
    provenance = {"backbone": "hand_made", "engine": "scikit-learn", "terms": str(values[0].shape[1])}
    return [
        Features(rows, part.labels, part.classes, part.names, part.groups, provenance)
        for rows, part in zip(values, (train, test), strict=True)
    ]
