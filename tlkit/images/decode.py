"""From bytes to an RGB picture, the same way everywhere: limits first, then a full decode."""

import importlib
import io
import struct

import numpy as np
from PIL import Image

from tlkit.images.formats import describe_unreadable, find_format

MAX_PIXELS = 50_000_000
MAX_ASPECT_RATIO = 50
MAX_FILE_BYTES = 512 * 2**20

# Pillow's own classes instead of Image.open: its bomb check warns through a process-wide filter, its
# limit is a process-wide variable, and it would try formats (EPS, WMF) that start other programs.
_PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
}

# Not ImageOps.exif_transpose: it writes the whole EXIF block anew, which fails on some cameras' blocks.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(ValueError):
    """A picture that can't be read; the message names it and says why. `reason` is the why alone."""

    def __init__(self, location, reason):
        super().__init__(location, reason)
        self.location, self.reason = location, reason

    def __str__(self):
        return f"{self.location}: {self.reason}"


def open_picture(data, location):
    """Open a picture without decoding it, once its header has passed the limits.

    Arguments
    ---------
    data: bytes
        The file's content.
    location: str
        Its path, for the error.

    Returns a PIL picture, not yet loaded. Raises PictureError for another format, or for more than
    `MAX_PIXELS` pixels or sides more unequal than `MAX_ASPECT_RATIO`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(location, f"{len(data):,} bytes, more than the limit of {MAX_FILE_BYTES:,}: shrink it")
    name = find_format(data)
    if name is None:
        raise PictureError(location, describe_unreadable(data))
    module, kind = _PLUGINS[name]
    try:
        picture = getattr(importlib.import_module(module), kind)(io.BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(location, f"more than the limit of {MAX_PIXELS:,} pixels: shrink it") from error
    except Exception as error:  # a plugin answers a broken header with whatever it tripped over
        raise PictureError(location, f"broken {name} ({error}): copy or download it again") from error
    width_px, height_px = picture.size
    if width_px * height_px > MAX_PIXELS:
        raise PictureError(
            location, f"{width_px:,} × {height_px:,} pixels, more than the limit of {MAX_PIXELS:,}: shrink it"
        )
    if max(width_px, height_px) > MAX_ASPECT_RATIO * min(width_px, height_px):
        raise PictureError(
            location,
            f"{width_px:,} × {height_px:,} pixels, longer than 1:{MAX_ASPECT_RATIO}: cut it into pieces",
        )
    return picture


def decode_picture(data, location="the picture"):
    """Decode a picture fully: upright, RGB, with transparent parts on white.

    Numbers wider than 8 bits are scaled by their type (16-bit: by 65,535; floats: from 0..1). Of an
    animation the first frame is taken.

    Arguments
    ---------
    data: bytes
        The file's content.
    location: str
        Its path, for the error.

    Returns a PIL picture of mode "RGB". Raises PictureError when it can't be read to its end.

    >>> buffer = io.BytesIO()
    >>> Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(buffer, "PNG")
    >>> decode_picture(buffer.getvalue()).getpixel((0, 0))
    (255, 255, 255)
    """
    picture = open_picture(data, location)
    try:
        orientation = read_orientation(picture)
        picture.load()
        rgb = convert_to_rgb(picture, location)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders answer broken data with whatever they tripped over
        raise PictureError(location, f"broken {picture.format} ({error}): copy or download it again") from error
    return turn_upright(rgb, orientation)


def turn_upright(picture, orientation):
    """Return a PIL picture as it was seen, of one that the camera stored with this EXIF orientation (1 to 8)."""
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def read_orientation(picture):
    """Return the EXIF orientation of an opened picture, 1 where it says none or is turned upright by Pillow."""
    if picture.format == "TIFF":  # which Pillow itself turns upright while it loads
        return 1
    try:
        return picture.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, struct.error):  # a damaged EXIF block beside whole pixels
        return 1


def convert_to_rgb(picture, location):
    """Return a PIL picture of any mode as one of mode "RGB", the same way as `decode_picture` does (which see)."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _rescale(picture, location)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _rescale(picture, location):
    values = np.asarray(picture)
    lowest, highest = values.min(), values.max()
    if picture.mode == "F":
        if not (lowest >= 0 and highest <= 1):
            raise PictureError(
                location,
                f"float pixels from {lowest:g} to {highest:g}, not within 0 to 1: save it with 8 bits",
            )
        scale = 1.0
    elif picture.mode.startswith("I;16") or picture.format in ("PNG", "PPM"):
        scale = 65_535
    else:
        raise PictureError(
            location, f"32-bit pixels from {lowest} to {highest}, of unknown scale: save it with 8 or 16 bits"
        )
    gray = np.rint(values.astype(np.float32) * (255 / scale)).astype(np.uint8)
    return Image.fromarray(gray).convert("RGB")
