"""Resized and cropped pictures as a network takes them, read ahead in threads but in order. Without torch."""

import collections
import concurrent.futures
import contextlib
import functools
import importlib.metadata
import math
import os

import numpy as np
from PIL import Image

from tlkit.arguments import check_count, check_known
from tlkit.features.engines import PRECISIONS
from tlkit.images.decode import decode_picture, open_picture, read_orientation, turn_upright

# Eight batches, 10 MB at 224 px: enough that a slow picture doesn't hold up the network.
_N_AHEAD = 64

# A reduced JPEG must be this much larger than needed. At 1.25, drawings of fine lines differ by 2.2 levels in the mean
# and a phone's picture is reduced by four; at 1.5 by 1.2, but that picture only by two.
_MIN_EXCESS = 1.25


def read_crops(images, indices, recipe, precision="exact", n_threads=None):
    """Return an iterator of crops (crop_size_px, crop_size_px, 3) uint8 of some pictures, in the order of indices."""
    # "exact" gives the pixels of `recipe.crop(recipe.resize(images.read(index)))`. "fast" lets the JPEG decoder halve
    # (or quarter, …) pictures that are over 2.5 times too large, and resizes by OpenCV if it is installed. The mean
    # difference of a picture is at most 3 of 255 levels; other formats don't change. Errors are the same in both.
    check_known("precision", [precision], PRECISIONS)
    n_threads = check_count("n_threads", count_processors() if n_threads is None else n_threads, 1)
    read = functools.partial(_read_crop, images, recipe, precision == "fast")
    return run_ahead(read, indices, n_threads, max(_N_AHEAD, 2 * n_threads))


def count_processors():
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_decoder(precision):
    """Return the libraries that decide the pixels of `read_crops`, for example "pillow 13.0.0"."""
    name = f"pillow {importlib.metadata.version('pillow')}"
    if precision == "exact":
        return name
    return f"{name} reduced, opencv {version}" if (version := find_version()) else f"{name} reduced"


def _read_crop(images, recipe, is_fast, index):
    """Return one crop (height, width, 3) uint8; a fast one is from a JPEG decoded at a reduced size if possible."""
    if not is_fast or recipe.n_channels != 3:
        return recipe.as_crop(recipe.crop(recipe.read(images, index)))
    return read_crop(images.pictures[index], recipe, is_fast)


def read_crop(file, recipe, is_fast=False):
    """Return one crop (height, width, 3) uint8 of a source of a picture's bytes."""
    data = file.read_bytes()
    is_fast = is_fast and recipe.n_channels == 3 and data[:2] == b"\xff\xd8"
    if is_fast and (crop := _reduce_jpeg(data, file.location, recipe)) is not None:
        return crop
    return recipe.as_crop(recipe.crop(recipe.resize(decode_picture(data, file.location, recipe.n_channels))))


def _reduce_jpeg(data, location, recipe):
    """Return the crop of a JPEG's bytes decoded at a reduced size; None for unusual or damaged files."""
    # For None the caller decodes the file in the exact way, which decides whether it is damaged and raises the error.
    picture = open_picture(data, location)
    if picture.format != "JPEG" or picture.mode not in ("L", "RGB"):
        return None
    try:
        size_px, orientation = picture.size, read_orientation(picture)
        if find_version() and (pixels := decode_resized(data, size_px, recipe, _MIN_EXCESS)) is not None:
            return recipe.as_crop(recipe.crop(turn_upright(Image.fromarray(pixels), orientation)))
        min_px = math.ceil(_MIN_EXCESS * recipe.resize_size_px)
        drafted = picture.draft(None, (min_px, min_px))
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
    """Yield `function(item)` for each item in order, while threads compute up to `n_ahead` results in advance."""
    # A queue of futures keeps the order, and an exception is raised at its item's turn. When the generator ends or is
    # thrown away, the threads finish their current items and start no others.
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


# OpenCV's linear filter uses two pixels in each direction, so above this factor it would skip some. Such pictures, and
# reduced ones, are resized to twice the wanted size first, then pairs of pixels are averaged.
_MAX_SINGLE_STEP = 1.6

_REDUCED = {1: "IMREAD_COLOR_RGB"} | {n: f"IMREAD_REDUCED_COLOR_{n}" for n in (2, 4, 8)}
_END_OF_IMAGE = b"\xff\xd9"


@functools.cache
def find_version():
    """Return OpenCV's version (str), or None if it isn't installed."""
    with contextlib.suppress(ImportError):
        import cv2

        return cv2.__version__


def decode_resized(data, size_px, recipe, min_excess):
    """Return a JPEG's bytes decoded and resized, (height, width, 3) uint8, not turned upright; None if it can't be."""
    # The decoder reduces the picture of `size_px` to no less than `min_excess` times the wanted size. Smaller pictures
    # are left to Pillow, as are files without a proper end, since OpenCV would fill them up without an error.
    import cv2

    wanted = recipe.find_size(*size_px)
    excess = min(side / target for side, target in zip(size_px, wanted, strict=True))
    if excess < 1 or not data.rstrip(b"\0").endswith(_END_OF_IMAGE):
        return None
    reduction = max(n for n in _REDUCED if n == 1 or excess / n >= min_excess)
    flags = getattr(cv2, _REDUCED[reduction]) | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        return None
    factor = 1 if reduction == 1 and excess <= _MAX_SINGLE_STEP else 2
    cubic = factor > 1 and recipe.interpolation == "bicubic"
    interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    pixels = cv2.resize(pixels, (factor * wanted[0], factor * wanted[1]), interpolation=interpolation)
    if factor > 1:
        pixels = cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)
    # With flags that reduce, OpenCV returns blue first.
    return pixels if reduction == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
