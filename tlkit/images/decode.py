"""Decode the bytes of a picture to RGB: limits first, then all pixels."""

import importlib
import io
import struct

import numpy as np
from PIL import Image

from tlkit.images.formats import describe_unreadable, find_format

MAX_PIXELS = 50_000_000
MAX_ASPECT_RATIO = 50
MAX_FILE_BYTES = 512 * 2**20

# Pillow's classes are used instead of Image.open. Its check for huge pictures uses a process-wide filter and limit, and
# it would try formats (EPS, WMF) that start other programs.
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

# Cameras store pictures as the sensor sees them, and note in EXIF how to turn them upright. ImageOps.exif_transpose
# isn't used: it rewrites the whole EXIF block, which fails for some cameras.
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
    """A picture that can't be read; `location` names it and `reason` explains why."""

    def __init__(self, location, reason):
        super().__init__(location, reason)
        self.location, self.reason = location, reason

    def __str__(self):
        return f"{self.location}: {self.reason}"


def open_picture(data, location):
    """Return the PIL picture of a file's bytes, not decoded; PictureError if format or size are out of bounds."""
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
    except Exception as error:  # plugins raise all kinds of errors for broken headers
        raise PictureError(location, f"broken {name} ({error}): copy or download it again") from error
    width_px, height_px = picture.size
    if width_px * height_px > MAX_PIXELS:
        raise PictureError(
            location, f"{width_px:,} × {height_px:,} pixels, more than the limit of {MAX_PIXELS:,}: shrink it"
        )
    if max(width_px, height_px) > MAX_ASPECT_RATIO * min(width_px, height_px):
        raise PictureError(
            location, f"{width_px:,} × {height_px:,} pixels, longer than 1:{MAX_ASPECT_RATIO}: cut it into pieces"
        )
    return picture


def decode_picture(data, location="the picture"):
    """Return the PIL picture of a file's bytes, fully decoded: upright, RGB, transparent parts white, first frame.

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
    except Exception as error:  # decoders raise all kinds of errors for broken data
        raise PictureError(location, f"broken {picture.format} ({error}): copy or download it again") from error
    return turn_upright(rgb, orientation)


def turn_upright(picture, orientation):
    """Return a PIL picture turned upright from an EXIF orientation, 1 to 8."""
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def read_orientation(picture):
    """Return the EXIF orientation of an opened picture, or 1 if it has none or Pillow turns it upright."""
    if picture.format == "TIFF":  # Pillow turns TIFF upright while loading
        return 1
    try:
        return picture.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, struct.error):  # damaged EXIF block, intact pixels
        return 1


def convert_to_rgb(picture, location):
    """Return a PIL picture of any mode in mode "RGB", with transparent parts on white."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _rescale(picture, location)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        # convert("RGB") alone would drop the alpha channel and show the hidden colours of transparent pixels.
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


# Pillow would clip 16-bit pixels at 255 instead of scaling them. The scale is known for 16 bits (65,535) and assumed to
# be 1 for floats; 32-bit integers have no common scale, so they are refused.
def _rescale(picture, location):
    """Return a PIL picture of 16-bit or float gray levels with 8 bits per channel, in mode "RGB"."""
    values = np.asarray(picture)
    lowest, highest = values.min(), values.max()
    if picture.mode == "F":
        if not (lowest >= 0 and highest <= 1):
            raise PictureError(
                location, f"float pixels from {lowest:g} to {highest:g}, not within 0 to 1: save it with 8 bits"
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
