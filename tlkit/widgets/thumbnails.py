"""Small pictures, read when they are shown first."""

import base64
import functools
import io

from PIL import ImageOps

from tlkit.images.decode import decode_picture, open_picture, read_orientation, turn_upright

_THUMBNAIL_PX = 128


def make_thumbnails(images, find_index=lambda key: key):
    """Return a function from a key, by default the index of a picture, to its thumbnail; it keeps those it has read."""

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
