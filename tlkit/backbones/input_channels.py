"""Networks for another number of channels than three: the first convolution adapted as timm adapts it."""

import dataclasses

import torch
from torch import nn

from tlkit.backbones.stages import ToInceptionScale
from tlkit.backbones.weights.error import WeightsError

_MOST = 256


def adapt_recipe(recipe, n_channels):
    """Return a recipe of colours for n channels: the mean over the colours for one, else repeated."""
    if n_channels == 1:
        values = [(sum(values) / 3,) for values in (recipe.mean, recipe.std)]
    else:
        values = [tuple(values[channel % 3] for channel in range(n_channels)) for values in (recipe.mean, recipe.std)]
    return dataclasses.replace(recipe, mean=values[0], std=values[1])


def adapt_first_layer(name, stages, n_channels):
    """Give the first convolution of a network, within its stages, n channels, in place; ValueError if it can't be."""
    # As timm's `adapt_input_conv`: the sum over the colours for one channel, else repeated weights, scaled by 3 / n.
    from timm.models import adapt_input_conv

    modules = [module for stage in stages.values() for module in stage.modules()]
    layers = [module for module in modules if isinstance(module, nn.Conv2d)]
    is_scaled = any(isinstance(module, ToInceptionScale) for module in modules)
    if layers and layers[0].in_channels == n_channels:
        return
    if is_scaled or not layers or (layers[0].in_channels, layers[0].groups) != (3, 1) or not 1 <= n_channels <= _MOST:
        why = f"{name} takes only colours, or n_channels is not from 1 to {_MOST}"
        raise ValueError(f"n_channels: {n_channels}, but {why}: take another network, or Backbone.from_module")
    layers[0].in_channels = n_channels
    with torch.no_grad():
        layers[0].weight = nn.Parameter(adapt_input_conv(n_channels, layers[0].weight.detach().clone()))


def fit_either(fit, name, stages, n_channels):
    """Return what `fit` returns for the network of three channels, or for one of n if the weights are of such a one."""
    try:
        return fit()
    except WeightsError:
        adapt_first_layer(name, stages, n_channels)
        return fit()
