"""Norm statistics estimated anew, and random weights: steps before and after the phases of a strategy."""

import importlib
import math

import numpy as np
import torch

from tlkit.backbones.freezing.freeze import NORM_LAYERS, thaw
from tlkit.backbones.loader import load_backbone
from tlkit.cpu.threads import convolutions

N_PASSES = 2
BATCH_SIZE = 64
STATISTICS = ("running_mean", "running_var")


def reinitialise(backbone, seed):
    """Return a backbone of the same kind and size with random weights."""
    if backbone.made is not None:
        return importlib.import_module("tlkit.backbones.own_network").redraw_own(backbone, seed)
    return load_backbone(backbone.name, weights=None, seed=seed, **backbone.recipe.settings)


def reestimate_norm_statistics(backbone, pictures, seed, names=None):
    """Replace the running statistics of norm layers (all, or those at some paths) by means over the pictures."""
    # Wu and Johnson 2021 (Rethinking "batch" in batch norm) call this precise batch norm. Running means lag behind
    # weights that move fast: EfficientNet's keep 99 % of the old value, and so the past of hundreds of steps.
    thaw(backbone).eval()
    modules = [module for name, module in backbone.named_modules() if names is None or name in names]
    layers = [layer for layer in modules if isinstance(layer, NORM_LAYERS)]
    layers = [layer for layer in layers if getattr(layer, "track_running_stats", False)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
        layer.train()
    n_pictures = len(pictures.images)
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for _ in range(N_PASSES):
            for indices in np.array_split(random.permutation(n_pictures), math.ceil(n_pictures / BATCH_SIZE)):
                batch, _labels = pictures.batch(indices, None, 0)
                with convolutions.together():
                    backbone(batch.to(next(backbone.parameters()).device, memory_format=torch.channels_last))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    backbone.eval()


def find_norm_layers(names):
    """Return the paths of the norm layers with a running statistic among the names of some tensors."""
    parts = (name.rpartition(".") for name in names)
    return list(dict.fromkeys(path for path, _, kind in parts if kind in STATISTICS))


def finish_norm_statistics(training):
    """End a training with statistics estimated anew on its pictures."""
    reestimate_norm_statistics(training.backbone, training.pictures, training.settings.seed)
