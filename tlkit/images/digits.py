"""scikit-learn's bundled handwritten digits as pictures: signs that a mirror or a turn can make into others."""

import numpy as np

from tlkit.images.files import PicturePixels
from tlkit.images.scan import make_set

_SCALE = 8


def load_digits():
    """Load the 1,797 digits that come with scikit-learn (Alpaydin and Kaynak 1998), dark on white.

    Who wrote which isn't known, so each picture is a group, and pictures of one hand may be on both sides of a split.

    Returns an `ImageSet` of the ten classes "0" to "9", of the domain "digits": pictures of 8 × 8 places, each made a
    square of 8 × 8 pixels.

    >>> load_digits()
    ImageSet(1797 pictures, 10 classes, 1797 groups: digits)
    """
    from sklearn.datasets import load_digits as load

    bundled = load()
    entries = []
    for number, (places, label) in enumerate(zip(bundled.images, bundled.target, strict=True)):
        levels = np.round(255 - places * (255 / 16)).astype(np.uint8)
        pixels = np.kron(levels, np.ones((_SCALE, _SCALE), np.uint8))
        entries.append((f"{label}/{number}.png", str(label), PicturePixels(pixels, f"digit {number}")))
    return make_set(entries, [str(label) for label in range(10)], "digits")
