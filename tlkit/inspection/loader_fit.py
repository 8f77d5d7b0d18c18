"""What a loader does otherwise than a recipe: found by making its tensors from the pictures in other ways."""

import dataclasses

import numpy as np
from PIL import Image

# Differences of values from 0 to 1: what rounding to 256 levels and compressing leave, and what is another picture.
_SAME, _ALIKE = 0.006, 0.03
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclasses.dataclass(frozen=True)
class Fit:
    """How well a geometry explains tensors.

    Arguments
    ---------
    geometry: Geometry
    channels: tuple of int
        Which channel of the picture each one of the tensors is.
    mean, std: (3,)
        Of the picture's channels on a scale of 0 to 1, in the order of red, green, blue: tensor = (value - mean) / std.
    mirrored: (n,) bool
    residual: float
        Root of the mean squared difference that is left, on a scale of 0 to 1.
    """

    geometry: object
    channels: tuple
    mean: np.ndarray
    std: np.ndarray
    mirrored: np.ndarray
    residual: float


def explain(tensors, pictures, recipe):
    """Return the `Fit` that explains (n, 3, height, width) tensors of n PIL pictures best.

    One that is the recipe's own wins over others that are hardly better.
    """
    best = None
    for geometry in list_geometries(recipe, tensors.shape[2:]):
        values = np.stack([geometry(picture) for picture in pictures]).transpose(0, 3, 1, 2)
        fit = _fit(tensors.astype(np.float64), values, geometry)
        if best is None or fit.residual < 0.5 * best.residual:
            best = fit
        if best.residual < 1e-3:
            break
    return best


def _fit(tensors, values, geometry):
    mirrored = np.array([_is_mirrored(one, other) for one, other in zip(tensors, values, strict=True)])
    values = np.where(mirrored[:, None, None, None], values[..., ::-1], values)
    fits = [_fit_channels(tensors, values, channels) for channels in ((0, 1, 2), (2, 1, 0))]
    # Of gray pictures any order of channels fits as well as the right one.
    channels, lines, residual = fits[1] if fits[1][2] < 0.9 * fits[0][2] - 1e-6 else fits[0]
    if residual > _ALIKE:  # of other pictures' pieces the line is too flat, but the spread is about the same
        lines = np.array([_match_spread(values[:, channel], tensors[:, i]) for i, channel in enumerate(channels)])
    slopes, intercepts = np.empty(3), np.empty(3)
    slopes[list(channels)], intercepts[list(channels)] = lines.T
    slopes = np.where(np.abs(slopes) > 1e-9, slopes, 1e-9)
    return Fit(geometry, channels, -intercepts / slopes, 1 / slopes, mirrored, residual)


def _is_mirrored(tensor, values):
    one, other = tensor.mean(axis=0), values.mean(axis=0)
    one, other = one - one.mean(), other - other.mean()
    straight, mirrored = (one * other).sum(), (one * other[:, ::-1]).sum()
    return mirrored > straight + 1e-3 * abs(straight)


def _fit_channels(tensors, values, channels):
    lines, squares = np.empty((3, 2)), []
    for place, channel in enumerate(channels):
        x, y = values[:, channel].ravel(), tensors[:, place].ravel()
        slope = np.cov(x, y, bias=True)[0, 1] / max(x.var(), 1e-12)
        intercept = y.mean() - slope * x.mean()
        lines[place] = slope, intercept
        squares.append(np.mean(((y - intercept) / slope - x) ** 2) if abs(slope) > 1e-9 else 1.0)
    return channels, lines, float(np.sqrt(np.mean(squares)))


def _match_spread(x, y):
    slope = y.std() / max(x.std(), 1e-9)
    return slope, y.mean() - slope * x.mean()


def name_mismatches(fit, recipe, *, random):
    """Return {mismatch: what it is, in words} of a `Fit` of tensors that are not the recipe's.

    Arguments
    ---------
    fit: Fit
    recipe: Recipe
    random: bool
        The loader gave other values when it was read again.
    """
    found = {}
    size_px = fit.geometry.size_px
    if size_px != (recipe.crop_size_px,) * 2:
        found["other size"] = f"{size_px[1]} × {size_px[0]} px instead of {recipe.crop_size_px} × {recipe.crop_size_px}"
    if fit.channels == (2, 1, 0):
        found["BGR"] = "blue comes first, red last: reverse the channels"
    found |= _name_scale(fit, recipe)
    if random:
        found["augmented"] = "the loader gives other values each time: take its random changes away for testing"
    elif fit.mirrored.any() and not fit.mirrored.all():
        found["augmented"] = f"{fit.mirrored.sum()} of {len(fit.mirrored)} pictures looked at are mirrored"
    elif fit.mirrored.all():
        found["mirrored"] = "left and right are swapped"
    own = list_geometries(recipe, size_px)[0]
    if fit.residual > _ALIKE:
        if not random:
            found["other crop"] = "cut out or changed in a way that none of the common recipes explains"
    elif fit.geometry != own:
        if fit.geometry.interpolation != own.interpolation:
            found["other interpolation"] = f"{fit.geometry.interpolation} instead of {own.interpolation}"
        if fit.geometry.resize_size_px != own.resize_size_px:
            found["other crop"] = f"{fit.geometry}, instead of {own}"
    return found or {"other values": "slightly other values; how they came about can't be told"}


def _name_scale(fit, recipe):
    # The less the pictures are the same, the less exactly mean and standard deviation are told.
    slack = 0.02 if fit.residual < _SAME else 0.08 if fit.residual < _ALIKE else 0.25

    def is_like(mean, std):
        return np.allclose(fit.mean, mean, atol=slack) and np.allclose(fit.std, std, atol=slack, rtol=slack)

    if is_like(recipe.mean, recipe.std):
        return {}
    if np.allclose(fit.std, 1 / 255, rtol=0.2) and np.abs(fit.mean).max() < slack:
        return {"0–255": "values from 0 to 255: divide by 255, then standardise with the recipe's mean and std"}
    if is_like(0, 1):
        return {"not standardised": "values from 0 to 1: subtract the recipe's mean and divide by its std"}
    name = "those of ImageNet" if is_like(*_IMAGENET) else "0.5 and 0.5" if is_like(0.5, 0.5) else None
    given = name or f"about {_say(fit.mean)} and {_say(fit.std)}"
    wanted = f"{_say(recipe.mean)} and {_say(recipe.std)}"
    return {"other mean and standard deviation": f"{given}, instead of {wanted}"}


def _say(values):
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


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
