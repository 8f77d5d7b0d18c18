"""Tiny networks made for tests, and torchvision's and timm's own beside tlkit's."""

import functools

import torch
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.catalogue import CATALOGUE
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.stages import build_network

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


@functools.cache
def make_library_pair(name):
    """Return (backbone, network, parameters left out); the network is the library's, without its classifier.

    Both share the random weights of seed 0 and norm statistics of two batches. For reading only.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, stages, tail, names = build_network(name)
    left_out = [value for layer in names for value in network.get_submodule(layer).parameters()]
    network.set_submodule(names[0], nn.Identity())
    network.train()
    with torch.no_grad():
        for seed in (1, 2):
            network(make_batch(4, 64, seed))
    backbone = Backbone(name, stages, tail, CATALOGUE[name].recipe.at(64), {"source": "a test"})
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
