"""What a network's pictures must go through before it sees them: size, crop, scale. Without torch."""

import dataclasses
import functools

import numpy as np
from PIL import Image

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The preprocessing that a network's weights were trained with.

    Arguments
    ---------
    resize_size_px: int
        The shorter side after resizing.
    crop_size_px: int
        The side of the square cut out of the middle, which is what the network sees.
    interpolation: str
        "bilinear" or "bicubic", both with antialiasing, as Pillow does it.
    mean, std: 3 floats each
        Of red, green and blue on a scale of 0 to 1.
    crop_mode: "center" or "squash"
        "squash" resizes both sides to `resize_size_px`, whatever the picture's shape, so that nothing is cut off.
    """

    resize_size_px: int
    crop_size_px: int
    interpolation: str
    mean: tuple
    std: tuple
    crop_mode: str = "center"

    def __repr__(self):
        # Fingerprints of features hash this text, so a field that has its default must not appear in it.
        fields = [(field.name, getattr(self, field.name), field.default) for field in dataclasses.fields(self)]
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value, default in fields if value != default)})"

    def at(self, image_size_px):
        """Return the recipe for another input size; the share that the crop keeps stays as it was."""
        resize_size_px = round(self.resize_size_px * image_size_px / self.crop_size_px)
        return dataclasses.replace(self, resize_size_px=resize_size_px, crop_size_px=image_size_px)

    def find_size(self, width_px, height_px):
        """Return (width_px, height_px) to which a picture of this size is resized."""
        if self.crop_mode == "squash":
            return self.resize_size_px, self.resize_size_px
        short, long = min(width_px, height_px), max(width_px, height_px)
        stretched = int(self.resize_size_px * long / short)
        return (self.resize_size_px, stretched) if width_px <= height_px else (stretched, self.resize_size_px)

    def resize(self, picture):
        """Return the picture (PIL, RGB) with its shorter side at `resize_size_px`; both sides where it is squashed."""
        return picture.resize(self.find_size(*picture.size), _FILTERS[self.interpolation])

    def crop(self, picture):
        """Return the square of `crop_size_px` in the middle of a resized picture, with black around a smaller one."""
        left, top = self._find_corner(*picture.size)
        return picture.crop((left, top, left + self.crop_size_px, top + self.crop_size_px))

    def resize_middle(self, picture, size_px, width_px, height_px):
        """Return the cropped square at once, of a picture that was decoded at a reduced scale; within rounding.

        Only the pixels that the square shows are computed; the borders are where those of the whole picture would be.

        Arguments
        ---------
        picture: PIL picture
        size_px: (width, height)
            Of the picture before it was reduced.
        width_px, height_px: float
            The part of the reduced picture, from its left upper corner, that the whole one has become.
        """
        resized = self.find_size(*size_px)
        if min(resized) < self.crop_size_px:  # it has a black border, which is no part of the picture
            whole = (0, 0, width_px, height_px)
            return self.crop(picture.resize(resized, _FILTERS[self.interpolation], whole))
        scales = [width_px / resized[0], height_px / resized[1]]
        box = [
            min((place + extra) * scale, side)
            for extra in (0, self.crop_size_px)
            for place, scale, side in zip(self._find_corner(*resized), scales, picture.size, strict=True)
        ]
        return picture.resize((self.crop_size_px, self.crop_size_px), _FILTERS[self.interpolation], box)

    def _find_corner(self, *size_px):
        spare = [side - self.crop_size_px for side in size_px]
        return [round(pixels / 2) if pixels > 0 else -(-pixels // 2) for pixels in spare]

    def to_array(self, picture):
        """Return the picture's standardised values, (3, height, width) float32, without resizing."""
        pixels = np.asarray(picture)
        return np.stack([table[pixels[:, :, channel]] for channel, table in enumerate(_tables(self.mean, self.std))])

    def __call__(self, picture):
        """Return (3, crop_size_px, crop_size_px) float32 of a PIL picture of any size."""
        if picture.mode != "RGB":
            picture = picture.convert("RGB")
        return self.to_array(self.crop(self.resize(picture)))


@functools.cache
def _tables(mean, std):
    # A channel has 256 possible values: looking the standardised one up gives the very bits that computing it would.
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    return [(values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True)]
