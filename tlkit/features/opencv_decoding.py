"""JPEG pictures decoded and resized by OpenCV, where it is installed: faster than Pillow, and close. Without torch."""

import functools
import importlib.metadata
import importlib.util

import numpy as np

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
