"""A small network with random weights, for tasks as simple as digits, which it learns in a second."""

import torch
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.recipe import Recipe

_N_CHANNELS = (16, 32, 64)


def make_small_backbone(image_size_px=32, seed=0):
    """Make a backbone of three convolutions with norm layers, each halving height and width, and random weights.

    Arguments
    ---------
    image_size_px: int
        Height and width of what it sees.
    seed: int
        Of the weights.

    Returns a `Backbone` of the stages "stage1" to "stage3", with 256 features: the means over the quarters of the map.
    It is in no list of networks, so that a run of it can't be loaded again.

    >>> make_small_backbone().n_features
    256
    """
    widths = (3, *_N_CHANNELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = {f"stage{n}": _make_stage(*widths[n - 1 : n + 1]) for n in range(1, len(widths))}
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(1))
    recipe = Recipe(image_size_px, image_size_px, "bilinear", (0.5,) * 3, (0.5,) * 3)
    return Backbone("small", stages, tail, recipe, {"source": f"random weights, seed {seed}"}).eval()


def redraw_small(backbone, seed):
    """Return a small backbone of the same size with weights of this seed, as a strategy's `prepare`."""
    return make_small_backbone(backbone.image_size_px, seed)


def _make_stage(n_in, n_out):
    convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))
