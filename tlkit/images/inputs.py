"""Pictures in any common form, without labels, as an `ImageSet`."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.arguments import read_array
from tlkit.images.files import PictureFile, PicturePixels, is_ignored, is_run
from tlkit.images.formats import NAMED
from tlkit.images.imageset import ImageSet
from tlkit.names import make_printable, number_repeats

UNLABELLED = "unlabelled"


def gather_pictures(pictures, argument="pictures"):
    """Return an `ImageSet` of a folder, file or PIL picture, or a list of paths, pictures, arrays, (picture, label)."""
    # An ImageSet is returned as it is. A PIL picture is turned by its EXIF orientation, as its file is. All pictures
    # are in one class, and each is a group of its own; labels are ignored.
    if isinstance(pictures, ImageSet):
        return pictures
    if isinstance(pictures, str | os.PathLike):
        pictures = list_path(argument, Path(os.path.abspath(Path(pictures).expanduser())))
    pictures = [pictures] if isinstance(pictures, Image.Image) else pictures
    if not hasattr(pictures, "__len__"):
        raise TypeError(f"{argument}: a {type(pictures).__name__}, expected an ImageSet, a path, a picture or a list")
    if hasattr(pictures, "columns"):
        if len(pictures.columns) != 1:
            raise TypeError(f"{argument}: a whole table, expected its column of paths, as in table['path']")
        pictures = pictures[pictures.columns[0]]
    pictures = _check_array(argument, pictures) if isinstance(pictures, np.ndarray) else pictures
    items = pictures if hasattr(pictures, "__iter__") else (pictures[index] for index in range(len(pictures)))
    entries = [make_entry(argument, index, picture) for index, picture in enumerate(items)]
    return make_set(entries, [UNLABELLED], "given")


def list_path(argument, path):
    """Return the pictures below a folder, sorted, without hidden ones; or a list of one file."""
    if not path.is_dir():
        return [path]
    found = []
    for place, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not (is_ignored(name) or is_run(f"{place}/{name}"))]
        found += [Path(place, name) for name in names if not is_ignored(name)]
    if pictures := sorted(file for file in found if file.suffix.casefold() in NAMED):
        return pictures
    raise ValueError(f"{argument}: the folder {path} holds no picture ({len(found)} other files), expected pictures")


def _check_array(argument, pictures):
    """Return an array of paths as (n,), or of pictures as (n, height, width) or (n, height, width, channels)."""
    if pictures.dtype.kind in "OUT":  # paths, possibly in one column
        return pictures.reshape(len(pictures)) if pictures.size == len(pictures) else pictures
    if pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[-1] not in (3, 4)):
        return pictures
    one = "; one picture alone is picture[np.newaxis]" if pictures.ndim in (2, 3) else ""
    expected = f"(n, height, width, 3), or (n, height, width) gray{one}"
    raise ValueError(f"{argument}: an array of shape {pictures.shape}, expected {expected}")


def make_entry(argument, index, item):
    """Return (path, label, file) of one item, as `make_set` takes it."""
    picture = item[0] if isinstance(item, tuple) and len(item) == 2 else item
    if isinstance(picture, str | os.PathLike):
        path = Path(os.path.abspath(Path(picture).expanduser()))
        if not path.is_file():
            raise FileNotFoundError(f"{argument}: item {index} is {str(picture)!r}, which is no file: correct its path")
        return path.name, UNLABELLED, PictureFile(path)
    return f"{index}", UNLABELLED, hold_pixels(f"{argument}: item {index}", picture, f"picture {index}")


def hold_pixels(name, picture, location):
    """Return a PIL picture or an array (height, width, 3) of uint8 as `PicturePixels`; errors begin with `name`."""
    if isinstance(picture, Image.Image):
        if getattr(picture, "tile", None) and picture.fp is None:
            raise ValueError(f"{name} was closed before its pixels were read: call its load() first, or give its path")
        return PicturePixels(picture, location)
    if not isinstance(picture, np.ndarray):
        kinds = "a path, a PIL picture, an array (height, width, 3) of uint8, or a (picture, label)"
        raise TypeError(f"{name} is a {type(picture).__name__}, expected {kinds}")
    picture = read_array(name, picture)
    if picture.dtype != np.uint8:
        advice = "; bring it to 0 to 255 and use .astype(np.uint8)" if picture.dtype.kind in "fiu" else ""
        raise TypeError(f"{name} is an array of {picture.dtype}, expected uint8{advice}")
    pixels = picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    is_picture = pixels.size and pixels.ndim in (2, 3)
    if not is_picture or max(pixels.shape[2:], default=1) > max(4, *pixels.shape[:2]):
        shape = f"shape {pixels.shape}, expected (height, width) or (height, width, 3)"
        raise ValueError(f"{name} is an array of {shape}, the colours or other channels last")
    return PicturePixels(pixels, location)


def make_set(entries, classes, domain, groups=None, quarantine=(), kind=ImageSet):
    """Return an `ImageSet`, or another kind, of [(path, label, file)] unread; by default each is its own group."""
    lookup = {name: label for label, name in enumerate(classes)}
    unknown = ["unknown"] * len(entries)
    paths = [make_printable(path) for path, _, _ in entries]
    names = number_repeats(f"{domain}/{path}" for path in paths)
    titles = [path.rpartition("/")[2] for path in paths]
    are_files = all(file.location.endswith(f"/{title}") for (_, _, file), title in zip(entries, titles, strict=True))
    return kind(
        pictures=[file for _, _, file in entries],
        labels=[lookup[label] for _, label, _ in entries],
        classes=classes,
        domains=[domain] * len(entries),
        groups=names if groups is None else groups,
        names=names,
        roles=["core"] * len(entries),
        titles=None if are_files else titles,
        origins=None,
        authors=unknown,
        licences=unknown,
        folds=[-1] * len(entries),
        quarantine=quarantine,
    )
