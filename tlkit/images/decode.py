"""Decode the bytes of a picture to RGB, or to another number of channels: limits first, then all pixels."""

import contextlib
import functools
import importlib
import io
import os
import struct
import threading
import types

import numpy as np
from PIL import Image, ImageFile

from tlkit.images.formats import PictureError, describe_unreadable, find_format
from tlkit.images.rgb import convert_to_rgb, is_deep, rescale_colours

MAX_PIXELS = 50_000_000
MAX_ASPECT_RATIO = 50
MAX_FILE_BYTES = 512 * 2**20
ARRAY = b"\x93NUMPY"  # the first bytes of an array in NumPy's format

# Pillow's classes are used instead of Image.open. Its check for huge pictures uses a process-wide filter and limit, and
# it would try formats (EPS, WMF) that start other programs. These are the first letters of module and class.
_PLUGINS = {name.upper(): name for name in ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif", "Ppm")}

# Cameras store pictures as the sensor sees them, and note in EXIF how to turn them upright. ImageOps.exif_transpose
# isn't used: it rewrites the whole EXIF block, which fails for some cameras.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


@functools.cache
def _find_reader(name):
    """Return the class that opens a format and accepts complete files only."""
    # With LOAD_TRUNCATED_IMAGES, which the user may have set for the whole process, Pillow fills missing parts with
    # gray. So this class runs Pillow's own code with a copy of its global names.
    load, known = ImageFile.ImageFile.load, vars(ImageFile) | {"LOAD_TRUNCATED_IMAGES": False}
    load = types.FunctionType(load.__code__, known, closure=load.__closure__)
    # A JPEG counts as if Pillow had added its missing end before.
    whole = type("WholeFile", (ImageFile.ImageFile,), {"load": load, "_ended": True})
    plugin = importlib.import_module(f"PIL.{_PLUGINS[name]}ImagePlugin")
    return type(name, (getattr(plugin, f"{_PLUGINS[name]}ImageFile"), whole), {})


@functools.lru_cache(maxsize=1)
def _find_slots(process_id):
    """Return the semaphore by which all threads of a process decode at most four large pictures at once."""
    # A forked process needs its own: the threads that hold its parent's aren't there.
    return threading.BoundedSemaphore(4)


def check_size(n_bytes, location):
    """Raise PictureError if a file is too large to be read."""
    if n_bytes > MAX_FILE_BYTES:
        raise PictureError(location, f"{n_bytes:,} bytes, more than the limit of {MAX_FILE_BYTES:,}: shrink it")


def open_picture(data, location):
    """Return the PIL picture of a file's bytes, not decoded; PictureError if format or size are out of bounds."""
    check_size(len(data), location)
    name = find_format(data)
    if name is None:
        raise PictureError(location, describe_unreadable(data))
    try:
        picture = _find_reader(name)(io.BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(location, f"more than the limit of {MAX_PIXELS:,} pixels: shrink it") from error
    except Exception as error:  # plugins raise all kinds of errors for broken headers
        raise PictureError(location, _explain(error, name)) from error
    _check_sides(*picture.size, location)
    return picture


def _explain(error, name):
    """Return why a picture can't be read, with the next step for the user."""
    if name == "TIFF" and (isinstance(error, SyntaxError) or "raw mode" in str(error)):
        advice = "save it as RGB with 8 bits, or all bands as a uint8 array in .npy (load_backbone has n_channels=)"
        return f"TIFF that is cut short or of a kind that isn't read: {advice}"
    return f"broken {name} ({error}): copy or download it again"


def _check_sides(width_px, height_px, location):
    """Raise PictureError if a picture is too large or too long."""
    size = f"{width_px:,} × {height_px:,} pixels"
    if width_px * height_px > MAX_PIXELS:
        raise PictureError(location, f"{size}, more than the limit of {MAX_PIXELS:,}: shrink it")
    if max(width_px, height_px) > MAX_ASPECT_RATIO * min(width_px, height_px):
        raise PictureError(location, f"{size}, longer than 1:{MAX_ASPECT_RATIO}: cut it into pieces")


def decode_picture(data, location="the picture", n_channels=3):
    """Return the PIL picture of a file's bytes, fully decoded: upright, RGB, on white or black, first frame."""
    # For another number of channels, gray or `Channels`; for None, as RGB if possible.
    if data.startswith(ARRAY):
        pixels = read_array(data, location)
        _check_sides(*pixels.shape[1::-1], location)
        if n_channels in (1, 3, None) and pixels.shape[2] in (1, 3, 4):
            picture = convert_to_rgb(Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels), location)
            return picture if n_channels != 1 else fit_channels(picture, 1, location)
        return fit_channels(pixels, n_channels or pixels.shape[2], location)
    picture = open_picture(data, location)
    try:
        is_large = picture.width * picture.height > MAX_PIXELS / 4
        with _find_slots(os.getpid()) if is_large else contextlib.nullcontext():
            orientation = read_orientation(picture)
            twin = open_picture(data, location) if is_deep(picture, data, location) else None
            picture.load()
            picture = rescale_colours(picture, twin, location) if twin else picture
            has_four = n_channels == 4 and picture.mode in ("RGBA", "CMYK", "RGBX")
            picture = turn_upright(picture if has_four else convert_to_rgb(picture, location), orientation)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders raise all kinds of errors for broken data
        raise PictureError(location, _explain(error, picture.format)) from error
    return picture if n_channels in (3, None) else fit_channels(picture, n_channels, location)


def turn_upright(picture, orientation):
    """Return a PIL picture turned upright from an EXIF orientation, 1 to 8."""
    if orientation not in range(2, 9):
        return picture
    upright = picture.transpose(Image.Transpose[_UPRIGHT[orientation - 2]])
    upright.info.clear()  # no orientation is left, by which it would be turned again
    return upright


def read_orientation(picture):
    """Return the EXIF orientation of a PIL picture, or 1 if it has none or Pillow turns it upright."""
    if picture.format == "TIFF":  # Pillow turns TIFF upright while loading
        return 1
    try:
        return picture.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, struct.error):  # damaged EXIF block, intact pixels
        return 1


class Channels:
    """A picture of n channels, PIL pictures in mode "L", with the methods that a `Recipe` uses."""

    def __init__(self, bands):
        self.bands = list(bands)
        self.size = self.bands[0].size

    @classmethod
    def of(cls, pixels):
        """Return an array (height, width, n) uint8 as a picture."""
        return cls(Image.fromarray(np.ascontiguousarray(band)) for band in np.moveaxis(pixels, -1, 0))

    def resize(self, *arguments):
        """Return the picture resized."""
        return Channels(band.resize(*arguments) for band in self.bands)

    def crop(self, box):
        """Return a part of the picture."""
        return Channels(band.crop(box) for band in self.bands)

    def getextrema(self):
        """Return the lowest and highest value of each channel."""
        return tuple(band.getextrema() for band in self.bands)

    def __array__(self, dtype=None, copy=None):
        return np.stack(self.bands, axis=-1)


def write_array(pixels):
    """Return an array as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def read_array(data, location):
    """Return the array (height, width, n) uint8 of the bytes of a .npy file; nothing in it is executed."""
    try:
        pixels = np.atleast_3d(np.load(io.BytesIO(data), allow_pickle=False))
    except ValueError as error:
        raise PictureError(location, f"broken .npy ({error}): write it again") from error
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or not pixels.size:
        found = f"an array of {pixels.dtype} {pixels.shape}"
        raise PictureError(location, f"{found}, expected (height, width, n_channels) of uint8: write it as such")
    return pixels


def fit_channels(picture, n_channels, location):
    """Return a picture, PIL or an array, as one of n channels: gray, or `Channels`; PictureError if it has others."""
    pixels = picture if isinstance(picture, np.ndarray) else None
    n_found = len(picture.getbands()) if pixels is None else pixels.shape[2]
    if n_channels == 1 and pixels is None:
        return picture.convert("L")
    if n_found != n_channels:
        form = "" if pixels is None else f" (shape {pixels.shape}, expected the colours last)"
        raise PictureError(
            location,
            f"{n_found} channels, and the network takes {n_channels}{form}: load_backbone has n_channels=, and arrays "
            "in .npy files can have any number of channels",
        )
    if n_channels == 1:
        return Image.fromarray(pixels[:, :, 0])
    return Channels.of(pixels) if pixels is not None else Channels(picture.split())
