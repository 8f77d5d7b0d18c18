"""Pictures in any common form, without labels, as an `ImageSet`."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.images.files import PictureFile, PicturePixels
from tlkit.images.imageset import ImageSet
from tlkit.names import make_printable, number_repeats

UNLABELLED = "unlabelled"
_EXPECTED = "a path, a PIL picture, an array (height, width, 3) of uint8, or a (picture, label)"


def gather_pictures(pictures):
    """Return an `ImageSet` of paths, PIL pictures, uint8 arrays or (picture, label); nothing is decoded.

    >>> gather_pictures(np.zeros((5, 32, 48, 3), np.uint8))
    ImageSet(5 pictures, 1 classes, 5 groups: given)
    """
    # An ImageSet is returned as it is. A PIL picture is turned by its EXIF orientation, as its file is. All pictures
    # are in one class, and each is a group of its own; labels are ignored.
    if isinstance(pictures, ImageSet):
        return pictures
    if isinstance(pictures, str | os.PathLike | Image.Image) or not hasattr(pictures, "__len__"):
        raise TypeError(f"pictures: a {type(pictures).__name__}, expected an ImageSet or a list of pictures or paths")
    if hasattr(pictures, "columns"):
        raise TypeError("pictures: a whole table, expected its column of paths, as in table['path']")
    if isinstance(pictures, np.ndarray):
        pictures = _check_array(pictures)
    entries = [_make_entry(index, picture) for index, picture in enumerate(pictures)]
    return make_set(entries, [UNLABELLED], "given")


def _check_array(pictures):
    """Return an array of paths as (n,), or of pictures as (n, height, width) or (n, height, width, channels)."""
    if pictures.dtype.kind in "OUT":  # paths, possibly in one column
        return pictures.reshape(len(pictures)) if pictures.size == len(pictures) else pictures
    if pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[-1] not in (3, 4)):
        return pictures
    one = "; one picture alone is picture[np.newaxis]" if pictures.ndim in (2, 3) else ""
    raise ValueError(
        f"pictures: an array of shape {pictures.shape}, expected (n, height, width, 3), or (n, height, width) gray{one}"
    )


def _make_entry(index, item):
    """Return (path, label, file) of one item, as `make_set` takes it."""
    picture = item[0] if isinstance(item, tuple) and len(item) == 2 else item
    if isinstance(picture, str | os.PathLike):
        path = Path(os.path.abspath(Path(picture).expanduser()))
        if not path.is_file():
            raise FileNotFoundError(f"pictures: item {index} is {str(picture)!r}, which is no file: correct its path")
        return path.name, UNLABELLED, PictureFile(path)
    if isinstance(picture, np.ndarray):
        picture = _check_pixels(index, picture)
    elif not isinstance(picture, Image.Image):
        raise TypeError(f"pictures: item {index} is a {type(picture).__name__}, expected {_EXPECTED}")
    return f"{index}", UNLABELLED, PicturePixels(picture, f"picture {index}")


def _check_pixels(index, pixels):
    """Return one picture's uint8 pixels as (height, width) or (height, width, 3 or 4)."""
    if pixels.dtype != np.uint8:
        advice = "; bring it to 0 to 255 and use .astype(np.uint8)" if pixels.dtype.kind in "fiu" else ""
        raise TypeError(f"pictures: item {index} is an array of {pixels.dtype}, expected uint8{advice}")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(
            f"pictures: item {index} is an array of shape {pixels.shape}, expected (height, width) or (height, "
            "width, 3), the colours last"
        )
    return pixels


def make_set(entries, classes, domain, groups=None, quarantine=()):
    """Return an `ImageSet` from [(path, label, file)] without reading a picture; by default each is its own group."""
    lookup = {name: label for label, name in enumerate(classes)}
    unknown = ["unknown"] * len(entries)
    paths = [make_printable(path) for path, _, _ in entries]
    names = number_repeats(f"{domain}/{path}" for path in paths)
    return ImageSet(
        pictures=[file for _, _, file in entries],
        labels=[lookup[label] for _, label, _ in entries],
        classes=classes,
        domains=[domain] * len(entries),
        groups=names if groups is None else groups,
        names=names,
        roles=["core"] * len(entries),
        titles=[path.rpartition("/")[2] for path in paths],
        origins=[file.location for _, _, file in entries],
        authors=unknown,
        licences=unknown,
        folds=[-1] * len(entries),
        quarantine=quarantine,
    )
