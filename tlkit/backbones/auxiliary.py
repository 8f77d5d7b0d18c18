"""Auxiliary classifiers: branches of GoogLeNet and Inception-v3 that help their lower stages learn, and then go.

A branch takes the map behind a stage and classifies it with a small network of its own. Its loss, at a weight, is added
to that of the head while the whole network is trained; what the network then says never comes from a branch.
"""

import dataclasses
import functools

import torch
from torch import nn

from tlkit.backbones.freezing.freeze import hold_norm_statistics, thaw

# The stage behind which a branch begins, its name in torchvision, the layer that outputs its classes, its weight.
# GoogLeNet's 0.3 is Szegedy et al.'s (2015, Going deeper with convolutions). The paper of Inception-v3 (Szegedy et al.
# 2016, Rethinking the Inception architecture) gives no weight; 0.4 is that of torchvision's training reference.
_BRANCHES = {
    "googlenet": (("inception4a", "aux1", "fc2", 0.3), ("inception4d", "aux2", "fc2", 0.3)),
    "inception_v3": (("mixed6", "AuxLogits", "fc", 0.4),),
}
# Inception-v3's branch pools and convolves 5 × 5 each and needs a map of 17 × 17, as 299 px give; GoogLeNet's, any.
_SMALLEST_SIZE_PX = {"inception_v3": 299}


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """An auxiliary classifier without its last layer.

    Arguments
    ---------
    module: torch.nn.Module
        From the map of a stage (n, n_channels, height, width) to (n, n_features).
    n_features: int
    weight: float
        Of its loss, beside 1 for the head's.
    """

    module: nn.Module
    n_features: int
    weight: float


def check_auxiliary(name, image_size_px):
    """Raise ValueError where a network has no auxiliary classifiers, or none that take pictures of this size."""
    if name not in _BRANCHES:
        raise ValueError(f"auxiliary: True, but {name} has no auxiliary classifiers; {', '.join(_BRANCHES)} have")
    smallest = _SMALLEST_SIZE_PX.get(name, 0)
    if image_size_px < smallest:
        raise ValueError(
            f"image_size_px: {image_size_px} with auxiliary=True, expected at least {smallest}: of a smaller picture "
            f"the auxiliary classifier of {name} leaves nothing"
        )


def take_branches(name, network):
    """Return {stage: Branch} of one of torchvision's networks, in forward order; their last layers are cut off it."""
    branches = {}
    for stage, path, last, weight in _BRANCHES[name]:
        module = network.get_submodule(path)
        n_features = module.get_submodule(last).in_features
        module.set_submodule(last, nn.Identity())
        branches[stage] = Branch(module.eval(), n_features, weight)
    return branches


class AuxiliaryLoss(nn.Module):
    """The branches of a backbone, each with a new last layer, and what they add to the loss.

    Arguments
    ---------
    backbone: Backbone
        One that was loaded with `auxiliary=True`; its branches are trained in place.
    n_classes: int
    seed: int
        Of the new layers.
    """

    def __init__(self, backbone, n_classes, *, seed):
        super().__init__()
        found = backbone.auxiliary
        self.branches = nn.ModuleDict({stage: branch.module for stage, branch in found.items()})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            heads = {stage: nn.Linear(branch.n_features, n_classes) for stage, branch in found.items()}
        self.heads = nn.ModuleDict(heads)
        self.weights = {stage: branch.weight for stage, branch in found.items()}

    def prepare(self, phase):
        """Make ready for a phase that trains the whole network; return [(learning_rate, parameters)].

        A branch learns at the rate of "all", its new layer at that of "head" where the phase has one.
        """
        thaw(self).train()
        if phase.norm_statistics == "frozen":
            hold_norm_statistics(self)
        rates = phase.learning_rate
        return [
            (rates["all"], list(self.branches.parameters())),
            (rates.get("head", rates["all"]), list(self.heads.parameters())),
        ]

    def forward(self, backbone, batch, labels):
        """Return the backbone's features of a batch, and the sum of each branch's weight × cross-entropy."""
        maps = {}
        hooks = [
            backbone.body[stage].register_forward_hook(functools.partial(_keep, maps, stage)) for stage in self.branches
        ]
        try:
            features = backbone(batch)
        finally:
            for hook in hooks:
                hook.remove()
        losses = [
            self.weights[stage] * nn.functional.cross_entropy(self.heads[stage](branch(maps[stage])), labels)
            for stage, branch in self.branches.items()
        ]
        return features, torch.stack(losses).sum()


def _keep(maps, stage, module, inputs, output):
    maps[stage] = output
