"""The costs of timm's networks, computed when a table lists them."""

import dataclasses
import functools

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

from tlkit.backbones.networks import TIMM
from tlkit.backbones.timm_networks import list_classifier

# Computing the cost of a network takes about half a second, so a longer list comes without costs.
MOST_WITH_COSTS = 30


def add_costs(entries):
    """Return timm's entries with their costs if they are of few networks, else as they are."""
    if len({entry.name for entry in entries}) > MOST_WITH_COSTS:
        return entries
    return [compute_costs(entry) for entry in entries]


def compute_costs(entry):
    """Return a copy of one of timm's entries with n_parameters, n_flops and n_features, or None if timm can't build."""
    costs = _costs(entry.name.removeprefix(TIMM), entry.recipe.crop_size_px)
    return dataclasses.replace(entry, **dict(zip(("n_parameters", "n_flops", "n_features"), costs, strict=True)))


@functools.cache
def _costs(architecture, side):
    """Return (n_parameters, n_flops, n_features), computed on torch's meta device without memory; None if it fails."""
    counter = FlopCounterMode(display=False)  # entered itself, it would put hooks on all modules of the process
    try:
        with torch.device("meta"), torch.no_grad(), _FlopCounterMode(counter):
            network = timm.create_model(architecture, pretrained=False).eval().requires_grad_(False)
            features = network.forward_head(network.forward_features(torch.zeros(1, 3, side, side)), pre_logits=True)
    except (RuntimeError, NotImplementedError, ValueError):  # some need real numbers while they are built
        return None, None, None
    excluded = {id(value) for layer in list_classifier(network) for value in network.get_submodule(layer).parameters()}
    n_parameters = sum(value.numel() for value in network.parameters() if id(value) not in excluded)
    return n_parameters, counter.get_total_flops(), features.shape[-1]
