"""How a loader's tensors differ from a recipe: found by preprocessing the pictures in other ways."""

import dataclasses

import numpy as np
from PIL import Image

# Differences of values from 0 to 1 that still count as the same picture (rounding to 256 levels), and as similar.
_SAME, _SIMILAR = 0.006, 0.03
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclasses.dataclass(frozen=True)
class LoaderFit:
    """A preprocessing that reproduces tensors, and how well: tensor = (value - mean) / std, with values 0 to 1."""

    geometry: object  # Geometry
    channels: tuple  # of int: the picture's channel behind each of the tensors' channels
    mean: np.ndarray  # (3,) in the order of red, green, blue
    std: np.ndarray  # (3,)
    mirrored: np.ndarray  # (n,) bool
    residual: float  # root of the mean squared difference that remains, on a scale of 0 to 1


def fit_loader(tensors, pictures, recipe):
    """Return the `LoaderFit` that reproduces tensors (n, 3, height, width) of n PIL pictures best."""
    # Geometries are tried in order, the recipe's own first; another one must fit twice as well to replace it. For each,
    # a line through the values of every channel gives mean and standard deviation.
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
    """Return the `LoaderFit` of one geometry, whose values are (n, 3, height, width), 0 to 1."""
    mirrored = np.array([_is_mirrored(tensor, value) for tensor, value in zip(tensors, values, strict=True)])
    values = np.where(mirrored[:, None, None, None], values[..., ::-1], values)
    fits = [_fit_channels(tensors, values, channels) for channels in ((0, 1, 2), (2, 1, 0))]
    # On gray pictures both orders of channels fit equally well, so BGR must fit clearly better.
    channels, lines, residual = fits[1] if fits[1][2] < 0.9 * fits[0][2] - 1e-6 else fits[0]
    if residual > _SIMILAR:  # for other crops a fitted line is too flat, but the spread of values is about the same
        x, axes = values[:, list(channels)], (0, 2, 3)
        slopes = tensors.std(axes) / np.maximum(x.std(axes), 1e-9)
        lines = np.stack([slopes, tensors.mean(axes) - slopes * x.mean(axes)], axis=1)
    slopes, intercepts = np.empty(3), np.empty(3)
    slopes[list(channels)], intercepts[list(channels)] = lines.T
    slopes = np.where(np.abs(slopes) > 1e-9, slopes, 1e-9)
    return LoaderFit(geometry, channels, -intercepts / slopes, 1 / slopes, mirrored, residual)


def _is_mirrored(tensor, values):
    """Return whether a tensor (3, height, width) correlates better with the mirrored values."""
    one, other = tensor.mean(axis=0), values.mean(axis=0)
    one, other = one - one.mean(), other - other.mean()
    straight, mirrored = (one * other).sum(), (one * other[:, ::-1]).sum()
    return mirrored > straight + 1e-3 * abs(straight)


def _fit_channels(tensors, values, channels):
    """Return an order of channels, the line (slope, intercept) of each channel, (3, 2), and the residual."""
    lines, squares = np.empty((3, 2)), []
    for row, channel in enumerate(channels):
        x, y = values[:, channel].ravel(), tensors[:, row].ravel()
        slope = np.cov(x, y, bias=True)[0, 1] / max(x.var(), 1e-12)
        intercept = y.mean() - slope * x.mean()
        lines[row] = slope, intercept
        squares.append(np.mean(((y - intercept) / slope - x) ** 2) if abs(slope) > 1e-9 else 1.0)
    return channels, lines, float(np.sqrt(np.mean(squares)))


def name_mismatches(fit, recipe, *, random):
    """Return {mismatch: description} of a `LoaderFit` to a recipe; `random` if a second pass gave other values."""
    found = {}
    size_px = fit.geometry.size_px
    if size_px != (recipe.crop_size_px,) * 2:
        found["other size"] = f"{size_px[1]} × {size_px[0]} px instead of {recipe.crop_size_px} × {recipe.crop_size_px}"
    if fit.channels == (2, 1, 0):
        found["BGR"] = "blue comes first, red last: reverse the channels"
    found |= _name_scale(fit, recipe)
    if random:
        found["augmented"] = "the loader gives other values each time: remove its random transforms for testing"
    elif fit.mirrored.any() and not fit.mirrored.all():
        found["augmented"] = f"{fit.mirrored.sum()} of {len(fit.mirrored)} examined pictures are mirrored"
    elif fit.mirrored.all():
        found["mirrored"] = "left and right are swapped"
    own = list_geometries(recipe, size_px)[0]
    if fit.residual > _SIMILAR:
        if not random:
            found["other crop"] = "cropped or changed in a way that none of the common recipes explains"
    elif fit.geometry != own:
        if fit.geometry.interpolation != own.interpolation:
            found["other interpolation"] = f"{fit.geometry.interpolation} instead of {own.interpolation}"
        if fit.geometry.resize_size_px != own.resize_size_px:
            found["other crop"] = f"{fit.geometry}, instead of {own}"
    return found or {"other values": "slightly different values of unknown origin"}


def _name_scale(fit, recipe):
    """Return {mismatch: description} of mean and standard deviation, empty if they are the recipe's."""
    # The less similar the pictures are, the less precise is the fitted scale.
    tolerance = 0.02 if fit.residual < _SAME else 0.08 if fit.residual < _SIMILAR else 0.25

    def is_near(mean, std):
        return np.allclose(fit.mean, mean, atol=tolerance) and np.allclose(fit.std, std, atol=tolerance, rtol=tolerance)

    if is_near(recipe.mean, recipe.std):
        return {}
    if np.allclose(fit.std, 1 / 255, rtol=0.2) and np.abs(fit.mean).max() < tolerance:
        return {"0–255": "values from 0 to 255: divide by 255, then standardise with the recipe's mean and std"}
    if is_near(0, 1):
        return {"not standardised": "values from 0 to 1: subtract the recipe's mean and divide by its std"}
    name = "those of ImageNet" if is_near(*_IMAGENET) else "0.5 and 0.5" if is_near(0.5, 0.5) else None
    given = name or f"about {_format_numbers(fit.mean)} and {_format_numbers(fit.std)}"
    expected = f"{_format_numbers(recipe.mean)} and {_format_numbers(recipe.std)}"
    return {"other mean and standard deviation": f"{given}, instead of {expected}"}


def _format_numbers(values):
    """Return numbers with three decimals, in parentheses."""
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


_FILTERS = ("bicubic", "bilinear", "nearest", "lanczos", "box")
_NOT_SMOOTHED = "bilinear without antialiasing"
_COMMON = ("bicubic", "bilinear", _NOT_SMOOTHED)  # tried first, since several filters may give the same values

# Shares of the shorter side that common recipes crop from the centre.
_SHARES = (1.0, 0.95, 0.9, 0.875)


@dataclasses.dataclass(frozen=True)
class Geometry:
    """A way to turn a picture into a square: resize, then centre crop; calling it gives values from 0 to 1."""

    interpolation: str
    resize_size_px: int | None  # the shorter side before the crop; None: stretched to the square without a crop
    size_px: tuple  # height and width of the result

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
            return f"stretched to {self.size_px[1]} × {self.size_px[0]} px, {self.interpolation}"
        return f"shorter side to {self.resize_size_px} px, {self.interpolation}, {self.size_px[0]} px centre crop"


def list_geometries(recipe, size_px):
    """Return the geometries to try for an array of (height, width) px; the first is the recipe's at that size."""
    short = min(size_px)
    own = recipe if short == recipe.crop_size_px else recipe.at(short)
    resizes = [own.resize_size_px, *(round(short / share) for share in _SHARES), recipe.resize_size_px]
    resizes = [resize for resize in dict.fromkeys(resizes) if resize >= max(size_px)]
    filters = [own.interpolation, *(name for name in (*_COMMON, *_FILTERS) if name != own.interpolation)]
    return [Geometry(name, resize, tuple(size_px)) for resize in (*resizes, None) for name in dict.fromkeys(filters)]


def _resize(picture, size, interpolation):
    """Return a resized picture as (height, width, 3) float64 values from 0 to 1; `size` is (width, height)."""
    if interpolation == _NOT_SMOOTHED:
        import torch

        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double()
        values = torch.nn.functional.interpolate(values, size[::-1], mode="bilinear", align_corners=False)
        return values[0].permute(1, 2, 0).numpy() / 255
    return np.asarray(picture.resize(size, Image.Resampling[interpolation.upper()]), np.float64) / 255
