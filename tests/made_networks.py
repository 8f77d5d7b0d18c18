"""Tiny networks made for tests, and torchvision's and timm's own beside tlkit's."""

import pytest
import torch
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.stages import build_network

# Networks of all kinds that are tried with their own sizes; the one whose random weights take seconds to draw is slow.
SOME_NAMES = (
    *("efficientnet_lite0", "mobilenet_v3_small", "resnet18", "resnet50"),
    pytest.param("vgg16", marks=pytest.mark.slow),
)
TINY_RECIPE = Recipe(18, 16, "bilinear", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def make_tiny_backbone(seed=0, recipe=TINY_RECIPE):
    """Return a backbone of two stages and 6 features, with norm layers, dropout and an activation in place."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = {
            "stem": nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
            "stage1": nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        }
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    return Backbone("tiny", stages, tail, recipe, {"source": f"random weights, seed {seed}"}).eval()


def make_small_backbone():
    """Return a backbone of three stages and 64 features, without dropout."""
    widths = (3, 16, 32, 64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages = {
            f"stage{n}": nn.Sequential(
                nn.Conv2d(*widths[n - 1 : n + 1], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[n]), nn.ReLU(inplace=True)
            )
            for n in (1, 2, 3)
        }
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    return Backbone("small", stages, tail, TINY_RECIPE, {"source": "random weights, seed 0"}).eval()


def make_library_pair(entry, side):
    """Return (backbone, network, names of the layers left out); the network is the library's, with its classifier.

    Both share the random weights of seed 0. Two batches set the norm statistics, without which random weights blow up
    or vanish on the way.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, stages, tail, left_out = build_network(entry.name, entry)
        backbone = Backbone(entry.name, stages, tail, entry.recipe.at(side), {"source": "a test"})
        backbone.train()
        with torch.no_grad():
            for seed in (1, 2) if list(backbone.buffers()) else ():
                backbone(make_batch(4 if side < 200 else 2, side, seed))
    return backbone.eval(), network.eval(), left_out


def make_batch(n_pictures=4, side=16, seed=0):
    """Return (n_pictures, 3, side, side) float32 from a normal distribution."""
    return torch.randn(n_pictures, 3, side, side, generator=torch.Generator().manual_seed(seed))


def copy_state(model):
    """Return copies of all parameters and buffers of a model, by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same_bits(state, other):
    """Say whether two states hold the same names and the same bits."""
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)
