"""A task that a small network with random weights learns in a second: scikit-learn's handwritten digits."""

import numpy as np
from PIL import Image
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.recipe import Recipe
from tlkit.cpu.draws import Draws
from tlkit.images.files import PicturePixels
from tlkit.images.inputs import make_set

_N_CHANNELS = (16, 32, 64)
_SCALE = 8


def make_small_backbone(image_size_px=32, seed=0):
    """Return a `Backbone` of three stages (convolution, norm, rectifier; each halves the map) with random weights."""
    # The 256 features are the means over the quarters of the last map. It is in no list of networks, so a run of it
    # can't be loaded again.
    widths = (3, *_N_CHANNELS)
    with Draws(seed):
        stages = {f"stage{n}": _make_stage(*widths[n - 1 : n + 1]) for n in range(1, len(widths))}
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(1))
    recipe = Recipe(image_size_px, image_size_px, "bilinear", (0.5,) * 3, (0.5,) * 3)
    return Backbone("small", stages, tail, recipe, {"source": f"random weights, seed {seed}"}).eval()


def redraw_small(backbone, seed):
    """Return a small backbone of the same size with weights of this seed, as a strategy's `prepare`."""
    return make_small_backbone(backbone.image_size_px, seed)


def _make_stage(n_in, n_out):
    """Return convolution, batch norm and rectifier from n_in to n_out channels."""
    convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


def load_digits(smooth=False):
    """Return the 1,797 digits of scikit-learn as an `ImageSet` of the domain "digits", 64 × 64 px, dark on white."""
    # Alpaydin and Kaynak 1998. The writers aren't known, so each picture is its own group, and pictures by one writer
    # may be on both sides of a split. Each of the 8 × 8 gray levels becomes a square of 8 × 8 pixels, or, if they are
    # to be smooth, pixels are interpolated (bicubic).
    from sklearn.datasets import load_digits as load

    bundled = load()
    entries = []
    for number, (ink, label) in enumerate(zip(bundled.images, bundled.target, strict=True)):
        levels = np.round(255 - ink * (255 / 16)).astype(np.uint8)
        pixels = np.kron(levels, np.ones((_SCALE, _SCALE), np.uint8))
        if smooth:
            picture = Image.fromarray(levels)
            pixels = np.asarray(picture.resize((_SCALE * picture.width, _SCALE * picture.height), Image.BICUBIC))
        entries.append((f"{label}/{number}.png", str(label), PicturePixels(pixels, f"digit {number}")))
    return make_set(entries, [str(label) for label in range(10)], "digits")
