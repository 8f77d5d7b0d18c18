"""Preprocessing of pictures: size, crop, scale. Without torch."""

import dataclasses
import functools
import importlib
import numbers
import types

import numpy as np
from PIL import Image

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def read_size(image_size_px):
    """Return a size in pixels as int, NumPy's whole numbers included, or None as it is; else TypeError."""
    if image_size_px is None:
        return None
    if isinstance(image_size_px, bool) or not isinstance(image_size_px, numbers.Integral):
        raise TypeError(f"image_size_px: {image_size_px!r}, expected a whole number of pixels")
    return int(image_size_px)


def check_takes_pictures(argument, backbone):
    """Raise ValueError if a network takes texts, for steps that only pictures have."""
    if backbone.recipe.noun != "picture":
        raise ValueError(f"{argument}: {backbone.name} takes texts, but this is only for networks that take pictures")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The preprocessing that a network's weights were trained with."""

    resize_size_px: int  # the shorter side after resizing
    crop_size_px: int  # the side of the central square that is cut out, the network's input
    interpolation: str  # "bilinear" or "bicubic", both with antialiasing, as Pillow does it
    mean: tuple  # of red, green and blue, 0 to 1
    std: tuple
    crop_mode: str = "center"  # "squash" resizes both sides to `resize_size_px`, so that nothing is cut off

    noun = "picture"  # what an example is called
    input_dtype, crop_dtype = "float32", "uint8"
    stored = types.MappingProxyType({})  # what a saved run holds beside `describe`, {name: bytes}

    @property
    def n_channels(self):
        """The number of channels of the network's input, 3 for colours."""
        return len(self.mean)

    @property
    def input_shape(self):
        """The shape of one preprocessed example, as the network takes it."""
        return self.n_channels, self.crop_size_px, self.crop_size_px

    @property
    def crop_shape(self):
        """The shape of one example as engines take it, before standardisation."""
        return self.crop_size_px, self.crop_size_px, self.n_channels

    @property
    def input_size(self):
        """The length of the input: its side in pixels."""
        return self.crop_size_px

    @property
    def shown_size(self):
        """The length of the input with its unit."""
        return f"{self.crop_size_px} px"

    @property
    def settings(self):
        """The arguments of `load_backbone` that give this input."""
        return {"image_size_px": self.crop_size_px, "n_channels": self.n_channels}

    def sort(self, images, indices):
        """Return indices of pictures in the order in which they are computed."""
        return indices

    def trim(self, batch):
        """Return a batch without places that are empty in all of its examples, which texts have."""
        return batch

    def read(self, images, index):
        """Return one picture of an `ImageSet`, resized."""
        return self.resize(images.read(index, self.n_channels))

    def as_crop(self, square):
        """Return a cropped picture as engines take it, `crop_shape` uint8."""
        return np.array(square).reshape(self.crop_shape)

    def __repr__(self):
        # Fingerprints of features hash this text, so a field with its default value must not appear in it.
        fields = [(field.name, getattr(self, field.name), field.default) for field in dataclasses.fields(self)]
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value, default in fields if value != default)})"

    @classmethod
    def of(cls, fields):
        """Return the recipe of a dict from JSON, of pictures or texts."""
        if "n_tokens" in fields:
            return importlib.import_module("tlkit.backbones.text_recipe").TextRecipe(**fields)
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})

    def describe(self):
        """Return the recipe as plain values for JSON."""
        return dataclasses.asdict(self)

    def gather(self, pictures, argument="pictures"):
        """Return pictures in any common form as an `ImageSet`."""
        gather_pictures = importlib.import_module("tlkit.images.inputs").gather_pictures
        return self.check(gather_pictures(pictures, argument), argument)

    def check(self, examples, argument="images"):
        """Return a set; TypeError if it isn't of the kind that the network takes."""
        if examples.noun != self.noun:
            raise TypeError(f"{argument}: {examples.noun}s, but the network takes {self.noun}s: take another network")
        return examples

    def at(self, image_size_px):
        """Return the recipe for another input size; the crop keeps the same share of the picture."""
        resize_size_px = round(self.resize_size_px * image_size_px / self.crop_size_px)
        return dataclasses.replace(self, resize_size_px=resize_size_px, crop_size_px=int(image_size_px))

    def find_size(self, width_px, height_px):
        """Return (width_px, height_px) after resizing, for a picture of this size."""
        if self.crop_mode == "squash":
            return self.resize_size_px, self.resize_size_px
        short, long = min(width_px, height_px), max(width_px, height_px)
        stretched = int(self.resize_size_px * long / short)
        return (self.resize_size_px, stretched) if width_px <= height_px else (stretched, self.resize_size_px)

    def resize(self, picture):
        """Return the picture (PIL, RGB) with its shorter side at `resize_size_px`, or both sides if squashed."""
        return picture.resize(self.find_size(*picture.size), _FILTERS[self.interpolation])

    def crop(self, picture):
        """Return the central square of `crop_size_px` of a resized picture, with a black border if it is smaller."""
        left, top = self._find_corner(*picture.size)
        return picture.crop((left, top, left + self.crop_size_px, top + self.crop_size_px))

    def resize_middle(self, picture, size_px, width_px, height_px):
        """Return the cropped square directly, within rounding, of a picture decoded at a reduced scale."""
        # `size_px` is the picture's size before it was reduced; `width_px` and `height_px` (float) are the size of its
        # part in the reduced picture, from the top left corner. Only the pixels of the square are computed.
        resized = self.find_size(*size_px)
        if min(resized) < self.crop_size_px:  # the black border is no part of the picture
            whole = (0, 0, width_px, height_px)
            return self.crop(picture.resize(resized, _FILTERS[self.interpolation], whole))
        scales = [width_px / resized[0], height_px / resized[1]]
        box = [
            min((corner + extra) * scale, side)
            for extra in (0, self.crop_size_px)
            for corner, scale, side in zip(self._find_corner(*resized), scales, picture.size, strict=True)
        ]
        return picture.resize((self.crop_size_px, self.crop_size_px), _FILTERS[self.interpolation], box)

    def _find_corner(self, *size_px):
        """Return [left, top] of the central square in a picture of this size; negative if the picture is smaller."""
        spare = [side - self.crop_size_px for side in size_px]
        return [round(pixels / 2) if pixels > 0 else -(-pixels // 2) for pixels in spare]

    def to_array(self, picture):
        """Return the picture's standardised values, (n_channels, height, width) float32, without resizing."""
        pixels = np.atleast_3d(np.asarray(picture))
        return np.stack([table[pixels[:, :, channel]] for channel, table in enumerate(_tables(self.mean, self.std))])

    def __call__(self, picture):
        """Return (n_channels, crop_size_px, crop_size_px) float32 of a PIL picture of any size."""
        mode = {1: "L", 3: "RGB"}.get(self.n_channels)
        if mode and picture.mode != mode:
            picture = picture.convert(mode)
        return self.to_array(self.crop(self.resize(picture)))


@functools.cache
def _tables(mean, std):
    """Return the 256 standardised values of each channel, (256,) float32 per channel."""
    # Looking the values up gives the same bits as computing them for every pixel.
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    return [(values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True)]
