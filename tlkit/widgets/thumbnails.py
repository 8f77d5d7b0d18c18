"""Small pictures, read when they are shown first, and a check that they are those of some features."""

import base64
import functools
import io

import numpy as np
from PIL import ImageOps

from tlkit.images.decode import decode_picture, open_picture, read_orientation, turn_upright
from tlkit.images.imageset import check_images

_THUMBNAIL_PX = 128


def check_same_pictures(features, images):
    """Raise ValueError if the features were extracted from other pictures, or in another order."""
    check_images("images", images)
    if len(features) != len(images):
        raise ValueError(f"images: {len(images)}, expected the {len(features)} that the features were extracted from")
    if len(different := np.flatnonzero(features.names != images.names)):
        index = different[0]
        given, expected = str(images.names[index]), str(features.names[index])
        raise ValueError(
            f"images: picture {index} is {given!r}, but the features are of {expected!r}; "
            "pass the images that the features were extracted from, in the same order"
        )


def make_thumbnails(images, find_index=lambda key: key):
    """Return a function from a key, by default the index, to a thumbnail, which is kept; to the text of a `TextSet`."""
    check_images("images", images)
    if images.noun == "text":
        return lambda key: images.read(find_index(key))

    @functools.lru_cache(maxsize=2000)
    def read(key):
        return ImageOps.contain(images.read(find_index(key)), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read


def encode_thumbnail(file, side_px):
    """Return a picture's file as a small JPEG in a data address; a large JPEG is decoded at a reduced size."""
    data = file.read_bytes()
    picture = open_picture(data, file.location)
    if picture.format == "JPEG" and picture.mode in ("L", "RGB"):
        orientation = read_orientation(picture)
        picture.draft(None, (side_px, side_px))
        picture = turn_upright(picture.convert("RGB"), orientation)
    else:
        picture = decode_picture(data, file.location)
    content = io.BytesIO()
    ImageOps.contain(picture, (side_px, side_px)).save(content, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
