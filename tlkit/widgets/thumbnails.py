"""Small pictures of an ImageSet, read when they are shown first."""

import functools

from PIL import ImageOps

_THUMBNAIL_PX = 128


def make_thumbnails(images, find_index=lambda key: key):
    """Return a function from a key, by default the index of a picture, to its thumbnail; it keeps those it has read."""

    @functools.lru_cache(maxsize=2000)
    def read(key):
        return ImageOps.contain(images.read(find_index(key)), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read
