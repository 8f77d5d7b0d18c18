"""Labelled pictures: bundled, in a folder, in a zip or in a list, without torch."""

from tlkit.images.imageset import ImageSet
from tlkit.images.load import load_images

__all__ = ["ImageSet", "load_images"]
