"""Tiny networks whose stages differ in their axes and kinds of parameters, which phases and engines distinguish."""

import torch
from made_networks import TINY_RECIPE
from torch import nn

from tlkit.backbones.backbone import Backbone


class Permute(nn.Module):
    """Another order of the axes."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, batch):
        return batch.permute(self.axes)


class Last(nn.Module):
    """The last token of each picture."""

    def forward(self, batch):
        return batch[:, -1]


def make_backbone_of_all_axes(seed=0):
    """Return a backbone whose stages give (n, 4, 8, 8), (n, 4, 4, 6) channels last, (n, 16, 6) tokens and (n, 5)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = {
            "maps": nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(inplace=True)),
            "places": nn.Sequential(nn.Conv2d(4, 6, 2, stride=2), Permute(0, 2, 3, 1), nn.LayerNorm(6)),
            "tokens": nn.Sequential(nn.Flatten(1, 2), nn.ReLU(inplace=True), nn.Linear(6, 6), nn.LayerNorm(6)),
            "last": nn.Sequential(Last(), nn.Linear(6, 5), nn.Dropout(0.3)),
        }
    return Backbone("axes", stages, nn.Identity(), TINY_RECIPE, {"source": f"random weights, seed {seed}"}).eval()


def make_backbone_of_all_kinds(seed=0):
    """Return a backbone whose first stage has neither bias nor norm layer, its second a bias, its third both."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stages = {
            "bare": nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.ReLU(inplace=True)),
            "biased": nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(inplace=True)),
            "normed": nn.Sequential(nn.Conv2d(5, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True)),
        }
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    return Backbone("kinds", stages, tail, TINY_RECIPE, {"source": f"random weights, seed {seed}"}).eval()
