"""From files to the squares that a network sees, (height, width, 3) uint8, in threads and in order. Without torch."""

import collections
import concurrent.futures
import functools
import importlib.metadata
import importlib.util
import math
import os

import numpy as np
from PIL import Image

from tlkit.arguments import check_count, check_known
from tlkit.features.arithmetic import PRECISIONS
from tlkit.images.decode import decode_picture, open_picture, read_orientation, turn_upright

# Eight batches: enough that a slow picture doesn't hold up the network, 10 MB at 224 px.
_N_AHEAD = 64

# How much larger than needed a reduced JPEG must be. At 1 drawings of fine lines differ by 3.6 levels in the mean, at
# 1.25 by 2.2, and a phone's picture is still reduced by four; at 1.5 by 1.2, but that one only by two.
_LEAST_EXCESS = 1.25


def read_squares(images, indices, recipe, precision="exact", n_threads=None):
    """Decode, resize and crop pictures, some of them ahead of the reader.

    Arguments
    ---------
    images: ImageSet
    indices: iterable of int
        Which pictures, in which order.
    recipe: Recipe
    precision: "exact" or "fast"
        "exact" gives every pixel of `recipe.crop(recipe.resize(images.read(index)))`. "fast" lets the JPEG decoder
        itself halve (or quarter, …) what is larger than 2.5 times what is needed, and resizes by OpenCV where that is
        installed: a picture's mean difference is at most 3 of 255 levels, and of other formats nothing changes.
    n_threads: int, optional
        By default one for each processor core that this process may use.

    Returns an iterator of (crop_size_px, crop_size_px, 3) uint8 arrays. A picture that can't be read raises
    PictureError at its turn, the same in either precision.
    """
    check_known("precision", [precision], PRECISIONS)
    if n_threads is None:
        n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n_threads = check_count("n_threads", n_threads, 1)
    read = _read_fast if precision == "fast" else _read_exact
    return run_ahead(functools.partial(read, images, recipe), indices, n_threads, max(_N_AHEAD, 2 * n_threads))


def describe_decoder(precision):
    """Return what decides the pixels that `read_squares` gives, library and version, as in "pillow 13.0.0"."""
    name = f"pillow {importlib.metadata.version('pillow')}"
    if precision == "exact":
        return name
    return f"{name} reduced, opencv {version}" if (version := find_version()) else f"{name} reduced"


def _read_exact(images, recipe, index):
    return np.array(recipe.crop(recipe.resize(images.read(index))))


def _read_fast(images, recipe, index):
    file = images.pictures[index]
    data = file.read_bytes()
    if data[:2] == b"\xff\xd8" and (square := _reduce_jpeg(data, file.location, recipe)) is not None:
        return square
    return np.array(recipe.crop(recipe.resize(decode_picture(data, file.location))))


def _reduce_jpeg(data, location, recipe):
    # None where the JPEG isn't one of the plain kinds, or is broken: then the exact way decides, and words the error.
    picture = open_picture(data, location)
    if picture.format != "JPEG" or picture.mode not in ("L", "RGB"):
        return None
    try:
        size_px, orientation = picture.size, read_orientation(picture)
        if find_version() and (pixels := decode_resized(data, size_px, recipe, _LEAST_EXCESS)) is not None:
            return np.array(recipe.crop(turn_upright(Image.fromarray(pixels), orientation)))
        least_px = math.ceil(_LEAST_EXCESS * recipe.resize_size_px)
        drafted = picture.draft(None, (least_px, least_px))
        width_px, height_px = drafted[1][2:] if drafted else size_px
        picture.load()
    except MemoryError:
        raise
    except Exception:
        return None
    upright = turn_upright(picture if picture.mode == "RGB" else picture.convert("RGB"), orientation)
    if orientation in (5, 6, 7, 8):
        size_px, (width_px, height_px) = size_px[::-1], (height_px, width_px)
    return np.array(recipe.resize_middle(upright, size_px, width_px, height_px))


def run_ahead(function, items, n_threads, n_ahead):
    """Yield `function(item)` of each item in order, while threads compute the next.

    What the function raises is raised at its item's turn, and ends it. Threads end with the generator, also when it is
    closed or thrown away early: they finish the items that they are at, and begin no other.

    Arguments
    ---------
    function: callable of one item
        Called in threads; worth it where it lets go of Python's lock, as decoding does.
    items: iterable
        Read as they are needed.
    n_threads: int
    n_ahead: int
        How many results may exist or be under way that aren't yet yielded.

    >>> list(run_ahead(str.upper, "abc", n_threads=2, n_ahead=2))
    ['A', 'B', 'C']
    """
    pool = concurrent.futures.ThreadPoolExecutor(n_threads, thread_name_prefix="tlkit-ahead")
    waiting = collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# OpenCV's linear filter takes the two nearest pixels in each direction, however much a picture shrinks. From here on it
# would skip some, and of a picture that the decoder has reduced every pixel counts: these go to twice the wanted size
# first, and pairs of pixels are averaged.
_LARGEST_SINGLE_STEP = 1.6

_REDUCED = {
    1: "IMREAD_COLOR_RGB",
    2: "IMREAD_REDUCED_COLOR_2",
    4: "IMREAD_REDUCED_COLOR_4",
    8: "IMREAD_REDUCED_COLOR_8",
}
_END_OF_IMAGE = b"\xff\xd9"


@functools.cache
def find_version():
    """Return OpenCV's version (str), None where it isn't installed."""
    if importlib.util.find_spec("cv2") is None:
        return None
    for name in ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "of another distribution"  # conda's has no such record


def decode_resized(data, size_px, recipe, least_excess):
    """Return a picture as `recipe.resize` does, (height, width, 3) uint8, but not yet turned upright.

    Arguments
    ---------
    data: bytes
        A JPEG file of mode L or RGB.
    size_px: (width, height)
        Of the stored picture.
    recipe: Recipe
    least_excess: float
        The decoder may reduce the picture to not less than so many times the wanted size.

    None where the file isn't plainly whole, since OpenCV would fill up what is missing and say nothing, or where the
    picture is smaller than wanted.
    """
    import cv2

    wanted = recipe.find_size(*size_px)
    excess = min(side / target for side, target in zip(size_px, wanted, strict=True))
    if excess < 1 or not data.rstrip(b"\0").endswith(_END_OF_IMAGE):
        return None
    reduction = max(n for n in _REDUCED if n == 1 or excess / n >= least_excess)
    flags = getattr(cv2, _REDUCED[reduction]) | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        return None
    factor = 1 if reduction == 1 and excess <= _LARGEST_SINGLE_STEP else 2
    cubic = factor > 1 and recipe.interpolation == "bicubic"
    interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    pixels = cv2.resize(pixels, (factor * wanted[0], factor * wanted[1]), interpolation=interpolation)
    if factor > 1:
        pixels = cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)
    # The flags that reduce give blue first.
    return pixels if reduction == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
