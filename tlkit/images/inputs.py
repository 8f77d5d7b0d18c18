"""Pictures in whatever form they are at hand, without labels, as an `ImageSet`."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.images.files import PictureFile, PicturePixels
from tlkit.images.imageset import ImageSet
from tlkit.images.scan import make_set

UNLABELLED = "unlabelled"
_EXPECTED = "a path, a PIL picture, an array (height, width, 3) of uint8, or a (picture, label)"


def gather_pictures(pictures):
    """Make an ImageSet of pictures that are to be computed with, whose labels don't matter. None is decoded here.

    Pixels are taken as they are: a PIL picture is not turned by its EXIF orientation, as a file is; transparent parts
    become white.

    Arguments
    ---------
    pictures: ImageSet, or a sequence of paths, PIL pictures, arrays or (picture, label)
        An ImageSet is returned as it is. An array is (height, width), (height, width, 1, 3 or 4) of uint8, 3 being red,
        green and blue; all of them may be one array (n, …). A label is left out.

    Returns an `ImageSet`, all of the one class "unlabelled" and each picture a group. Raises TypeError or ValueError
    for what is no picture, FileNotFoundError for a missing file; both say at which place.

    >>> gather_pictures(np.zeros((5, 32, 48, 3), np.uint8))
    ImageSet(5 pictures, 1 classes, 5 groups: given)
    """
    if isinstance(pictures, ImageSet):
        return pictures
    if isinstance(pictures, str | os.PathLike | Image.Image) or not hasattr(pictures, "__len__"):
        raise TypeError(f"pictures: a {type(pictures).__name__}, expected an ImageSet or a list of pictures or paths")
    if hasattr(pictures, "columns"):
        raise TypeError("pictures: a whole table, expected its column of paths, as in table['path']")
    if isinstance(pictures, np.ndarray):
        pictures = _take_apart(pictures)
    entries = [_make_entry(place, picture) for place, picture in enumerate(pictures)]
    return make_set(entries, [UNLABELLED], "given")


def _take_apart(pictures):
    if pictures.dtype.kind in "OUT":  # paths, in one column or none
        return pictures.reshape(len(pictures)) if pictures.size == len(pictures) else pictures
    if pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[-1] not in (3, 4)):
        return pictures
    one = "; one picture alone is picture[np.newaxis]" if pictures.ndim in (2, 3) else ""
    raise ValueError(
        f"pictures: an array of shape {pictures.shape}, expected (n, height, width, 3), or (n, height, width) gray{one}"
    )


def _make_entry(place, item):
    picture = item[0] if isinstance(item, tuple) and len(item) == 2 else item
    if isinstance(picture, str | os.PathLike):
        path = Path(os.path.abspath(Path(picture).expanduser()))
        if not path.is_file():
            raise FileNotFoundError(f"pictures: place {place} is {str(picture)!r}, which is no file: correct its path")
        return path.name, UNLABELLED, PictureFile(path)
    if isinstance(picture, np.ndarray):
        picture = _check_pixels(place, picture)
    elif not isinstance(picture, Image.Image):
        raise TypeError(f"pictures: place {place} is a {type(picture).__name__}, expected {_EXPECTED}")
    return f"{place}", UNLABELLED, PicturePixels(picture, f"picture {place}")


def _check_pixels(place, pixels):
    if pixels.dtype != np.uint8:
        advice = "; bring it to 0 to 255 and use .astype(np.uint8)" if pixels.dtype.kind in "fiu" else ""
        raise TypeError(f"pictures: place {place} is an array of {pixels.dtype}, expected uint8{advice}")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(
            f"pictures: place {place} is an array of shape {pixels.shape}, expected (height, width) or (height, "
            "width, 3), the colours last"
        )
    return pixels
