"""Pictures of any number of channels, 8 bits each; every channel is resized as Pillow resizes a gray picture."""

import io

import numpy as np
from PIL import Image

from tlkit.images.formats import PictureError

ARRAY = b"\x93NUMPY"  # the first bytes of an array in NumPy's format


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
