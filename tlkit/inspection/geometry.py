"""Which resizing and cropping made an array from a picture: a handful of common ones, tried one after the other."""

import dataclasses

import numpy as np
from PIL import Image

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}
_NOT_SMOOTHED = "bilinear without antialiasing"
_COMMON = ("bicubic", "bilinear", _NOT_SMOOTHED)  # tried first: where several give the same, it was one of these
# Shares of the shorter side that common recipes cut out of the middle.
_SHARES = (1.0, 0.95, 0.9, 0.875)


@dataclasses.dataclass(frozen=True)
class Geometry:
    """A way to make a square of a picture.

    Arguments
    ---------
    interpolation: str
    resize_size_px: int or None
        The shorter side before a square is cut out of the middle; None: squeezed to the square.
    size_px: tuple of int
        Height and width of the result.
    """

    interpolation: str
    resize_size_px: int | None
    size_px: tuple

    def __call__(self, picture):
        """Return (height, width, 3) float64 values, 0 to 1, of an RGB picture."""
        height, width = self.size_px
        if self.resize_size_px is None:
            return _resize(picture, (width, height), self.interpolation)
        short, long = min(picture.size), max(picture.size)
        stretched = int(self.resize_size_px * long / short)
        size = (self.resize_size_px, stretched) if picture.size[0] <= picture.size[1] else None
        values = _resize(picture, size or (stretched, self.resize_size_px), self.interpolation)
        top, left = (round((side - wanted) / 2) for side, wanted in zip(values.shape, self.size_px, strict=False))
        return values[top : top + height, left : left + width]

    def __str__(self):
        if self.resize_size_px is None:
            return f"squeezed to {self.size_px[1]} × {self.size_px[0]} px, {self.interpolation}"
        return f"shorter side to {self.resize_size_px} px, {self.interpolation}, {self.size_px[0]} px cut out"


def list_geometries(recipe, size_px):
    """Return the geometries to try for an array of (height, width) px; the first is the recipe's, at that size."""
    short = min(size_px)
    own = recipe if short == recipe.crop_size_px else recipe.at(short)
    resizes = [own.resize_size_px, *(round(short / share) for share in _SHARES), recipe.resize_size_px]
    resizes = [resize for resize in dict.fromkeys(resizes) if resize >= max(size_px)]
    filters = [own.interpolation, *(name for name in (*_COMMON, *_FILTERS) if name != own.interpolation)]
    return [Geometry(name, resize, tuple(size_px)) for resize in (*resizes, None) for name in dict.fromkeys(filters)]


def _resize(picture, size, interpolation):
    if interpolation == _NOT_SMOOTHED:
        import torch

        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double()
        values = torch.nn.functional.interpolate(values, size[::-1], mode="bilinear", align_corners=False)
        return values[0].permute(1, 2, 0).numpy() / 255
    return np.asarray(picture.resize(size, _FILTERS[interpolation]), np.float64) / 255
