"""torch as an engine, on a GPU or if OpenVINO isn't installed: channels last, with BatchNorm folded."""

import contextlib
import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tlkit.backbones.backbone import draw_inputs
from tlkit.cpu.threads import convolutions


class TorchEngine:
    """One `Output` of a `FrozenNetwork`, on a device or the backbone's own."""

    def __init__(self, network, output, precision, device=None):
        backbone, stage = network.backbone, output.stage
        self.output = output
        self.device = torch.device(device or next(backbone.parameters()).device)
        self.batch_size = 64 if self.device.type == "cuda" else 8  # a GPU needs more pictures at once to be busy
        part = backbone if stage is None else backbone.until(stage)
        example = draw_inputs(network.recipe, 2).to(self.device)
        with torch.inference_mode(), _exact_convolutions(self.device):
            self.network = self._copy(part)
            if not fold_norms(self.network, example):
                self.network = self._copy(part)
        self.is_text, self.tail = network.recipe.noun == "text", backbone.tail
        if not self.is_text:
            values = (255 * torch.tensor(v, device=self.device) for v in (network.recipe.mean, network.recipe.std))
            self.mean, self.std = (value.view(1, -1, 1, 1) for value in values)
        self.autocast = precision == "fast" and self.device.type == "cuda" and torch.cuda.is_bf16_supported(False)

    def _copy(self, part):
        """Return a copy of a module for evaluation on the device, so that the backbone stays as it is."""
        return copy.deepcopy(part).eval().to(self.device).to(memory_format=torch.channels_last)

    def run(self, batches):
        """Yield (batch_size, *shape) float32 for each batch."""
        for batch in batches:
            # Within the loop, since these settings must not hold in the caller's code between two batches.
            with (
                torch.inference_mode(),
                _exact_convolutions(self.device),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast),
            ):
                inputs = torch.from_numpy(batch).to(self.device)
                if not self.is_text:
                    inputs = (inputs.permute(0, 3, 1, 2).float() - self.mean) / self.std
                values = self.network(inputs)
                if self.output.stage is not None and self.output.pooled and self.output.spatial_axes:
                    values = self.tail(values) if self.is_text else values.mean(dim=self.output.spatial_axes)
                elif not self.output.pooled and self.output.spatial_axes == (1, 2):
                    values = values.permute(0, 3, 1, 2)
                values = np.ascontiguousarray(values.float().cpu().numpy())
            yield values


@contextlib.contextmanager
def _exact_convolutions(device):
    """Forbid TensorFloat-32 on a GPU within a block; cuDNN uses it by default, which changes the third digit."""
    with convolutions.together():
        if device.type != "cuda":  # the settings belong to the whole process
            yield
            return
        kept = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
        try:
            torch.backends.cudnn.conv.fp32_precision = torch.backends.cuda.matmul.fp32_precision = "ieee"
            yield
        finally:
            torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = kept


def fold_norms(network, batch):
    """Fold each BatchNorm of a network into the convolution before it; return whether its output stays the same."""
    # The pairs are observed on a batch (n, 3, height, width). If the output of a convolution goes elsewhere too, the
    # comparison shows it, and the caller starts again from a copy.
    before = network(batch)
    for convolution, name, norm in _find_pairs(network, batch):
        folded = fuse_conv_bn_eval(convolution, norm)
        convolution.weight, convolution.bias = folded.weight, folded.bias
        # timm's norm layers contain the activation that follows them.
        rest = [layer for layer in (getattr(norm, "drop", None), getattr(norm, "act", None)) if layer is not None]
        network.set_submodule(name, nn.Sequential(*rest))
    return bool((network(batch) - before).abs().max() <= 1e-5 * before.abs().max())


def _find_pairs(network, batch):
    """Return [(convolution, name of norm layer, norm layer)] for norm layers whose input is a convolution's output."""
    made, pairs, seen = {}, [], []

    def watch(layer, inputs, output):
        seen.append(layer)
        if isinstance(layer, nn.Conv2d):
            made[id(output)] = layer, output  # the output is kept, so that no other tensor gets its id
        elif id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], layer))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_hook(watch))
        network(batch)
    names = {layer: name for name, layer in network.named_modules()}
    # A layer that is called twice can't be folded for both calls.
    return [(c, names[norm], norm) for c, norm in pairs if seen.count(c) == seen.count(norm) == 1]
