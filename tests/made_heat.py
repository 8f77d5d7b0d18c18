"""Runs made for tests of heat maps: a network whose answer is known, and a tiny one with random weights."""

import torch
from made_networks import TINY_RECIPE, make_tiny_backbone
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.recipe import Recipe
from tlkit.training.run import Run

COLOURS = ("red", "green", "blue")


def make_run(backbone, head, classes):
    """Return a Run of a backbone and a head, as if it had been trained."""
    return Run(
        backbone=backbone,
        head=head.eval(),
        classes=list(classes),
        strategy={"name": "made"},
        seed=0,
        history=[],
        n_train=0,
        train_hash="",
        tuned=True,
        completed=True,
        duration_s=0.0,
        peak_memory_mib=0.0,
        n_trained=0,
        start_hash="",
        changed=[],
    )


def make_colour_run(side_px=16):
    """Return a run that calls a picture by the colour of which it has most; stage "colours" keeps them apart."""
    recipe = Recipe(side_px, side_px, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    pick = nn.Conv2d(3, 3, 1, bias=False)
    halve = nn.Conv2d(3, 3, 2, stride=2, groups=3, bias=False)
    with torch.no_grad():
        # Each channel is the excess of a colour over the mean of the other two.
        pick.weight.copy_((1.5 * torch.eye(3) - 0.5).view(3, 3, 1, 1))
        halve.weight.fill_(0.25)
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    stages = {"colours": nn.Sequential(pick, nn.ReLU()), "smaller": nn.Sequential(halve, nn.ReLU())}
    backbone = Backbone("colours", stages, tail, recipe, {"source": "made"}).eval()
    head = nn.Linear(3, 3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
        head.bias.zero_()
    return make_run(backbone, head, COLOURS)


def make_random_run(seed=0, recipe=TINY_RECIPE):
    """Return a run of the tiny backbone with random weights and norm statistics, and three classes."""
    backbone = make_tiny_backbone(seed, recipe)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, buffer in backbone.named_buffers():
            if name.endswith("running_var"):
                buffer.copy_(0.2 + torch.rand(buffer.shape, generator=generator))
    head = nn.Linear(backbone.n_features, 3, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return make_run(backbone, head, COLOURS)
