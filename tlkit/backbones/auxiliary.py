"""Auxiliary classifiers of GoogLeNet and Inception-v3: branches that help the lower stages learn.

Each classifies the map behind a stage. While the whole network is trained, its weighted loss is added to the head's.
"""

import contextlib
from typing import NamedTuple

import torch
from torch import nn

from tlkit.backbones.freezing.freeze import hold_norm_statistics, thaw
from tlkit.cpu.draws import Draws

# The stage in front of a branch, torchvision's name of the branch, its last layer, and the weight of its loss.
# GoogLeNet's 0.3 is from Szegedy et al. (2015, Going deeper with convolutions). The paper of Inception-v3 (Szegedy et
# al. 2016, Rethinking the Inception architecture) gives no weight; 0.4 is from torchvision's training reference.
_BRANCHES = {
    "googlenet": (("inception4a", "aux1", "fc2", 0.3), ("inception4d", "aux2", "fc2", 0.3)),
    "inception_v3": (("mixed6", "AuxLogits", "fc", 0.4),),
}
# Inception-v3's branch pools 5 × 5, convolves 5 × 5, and needs a map of 17 × 17, as 299 px give; GoogLeNet's takes any.
_SMALLEST_SIZE_PX = {"inception_v3": 299}


class Branch(NamedTuple):
    """An auxiliary classifier without its last layer."""

    module: nn.Module  # from the map of a stage (n, n_channels, height, width) to (n, n_features)
    n_features: int
    weight: float  # of its loss; the head's has weight 1


def check_auxiliary(name, image_size_px):
    """Raise ValueError if a network has no auxiliary classifiers, or none that take pictures of this size."""
    if name not in _BRANCHES:
        raise ValueError(f"auxiliary: True, but {name} has no auxiliary classifiers; {', '.join(_BRANCHES)} have")
    smallest = _SMALLEST_SIZE_PX.get(name, 0)
    if image_size_px < smallest:
        raise ValueError(
            f"image_size_px: {image_size_px} with auxiliary=True, expected at least {smallest}: the map of a smaller "
            f"picture is too small for the auxiliary classifier of {name}"
        )


def take_branches(name, network):
    """Return {stage: Branch} of one of torchvision's networks, in forward order; cuts off their last layers."""
    branches = {}
    for stage, path, last, weight in _BRANCHES[name]:
        module = network.get_submodule(path)
        n_features = module.get_submodule(last).in_features
        module.set_submodule(last, nn.Identity())
        branches[stage] = Branch(module.eval(), n_features, weight)
    return branches


class AuxiliaryLoss(nn.Module):
    """The branches of a backbone, trained in place, with new last layers of n_classes outputs drawn by `seed`."""

    def __init__(self, backbone, n_classes, *, seed):
        super().__init__()
        found = backbone.auxiliary
        self.branches = nn.ModuleDict({stage: branch.module for stage, branch in found.items()})
        with Draws(seed):
            heads = {stage: nn.Linear(branch.n_features, n_classes) for stage, branch in found.items()}
        self.heads = nn.ModuleDict(heads)
        self.weights = {stage: branch.weight for stage, branch in found.items()}

    def prepare(self, phase):
        """Get ready for a phase that trains the whole network; return [(learning_rate, parameters)]."""
        thaw(self).train()
        if phase.norm_statistics == "frozen":
            hold_norm_statistics(self)
        rates = phase.learning_rate
        return [
            (rates["all"], list(self.branches.parameters())),
            (rates.get("head", rates["all"]), list(self.heads.parameters())),
        ]

    def forward(self, backbone, batch, labels):
        """Return the backbone's features of a batch, and the weighted sum of the branches' cross-entropies."""
        maps = {}
        with contextlib.ExitStack() as hooks:  # hooks are contexts, which remove themselves at the end
            for stage in self.branches:
                watch = backbone.body[stage].register_forward_hook
                hooks.enter_context(watch(lambda *called, stage=stage: maps.update({stage: called[2]})))
            features = backbone(batch)
        losses = [
            self.weights[stage] * nn.functional.cross_entropy(self.heads[stage](branch(maps[stage])), labels)
            for stage, branch in self.branches.items()
        ]
        return features, torch.stack(losses).sum()
