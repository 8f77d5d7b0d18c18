"""scikit-learn's handwritten digits as pictures: mirroring or rotating a digit can turn it into another one."""

import numpy as np

from tlkit.images.files import PicturePixels
from tlkit.images.inputs import make_set

_SCALE = 8


def load_digits():
    """Return the 1,797 digits of scikit-learn as an `ImageSet` of the domain "digits", 64 × 64 px, dark on white."""
    # Alpaydin and Kaynak 1998. The writers aren't known, so each picture is its own group, and pictures by one writer
    # may be on both sides of a split. Each of the 8 × 8 gray levels becomes a square of 8 × 8 pixels.
    from sklearn.datasets import load_digits as load

    bundled = load()
    entries = []
    for number, (ink, label) in enumerate(zip(bundled.images, bundled.target, strict=True)):
        levels = np.round(255 - ink * (255 / 16)).astype(np.uint8)
        pixels = np.kron(levels, np.ones((_SCALE, _SCALE), np.uint8))
        entries.append((f"{label}/{number}.png", str(label), PicturePixels(pixels, f"digit {number}")))
    return make_set(entries, [str(label) for label in range(10)], "digits")
