"""torch runs a frozen network, where OpenVINO isn't installed, or on a GPU: channels last, norm layers folded."""

import contextlib
import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class TorchEngine:
    """One output of a network; arguments as in `open_engine`, and the device, by default the backbone's own."""

    def __init__(self, network, output, precision, device=None):
        backbone, stage = network.backbone, output.stage
        self.output = output
        self.device = torch.device(device or next(backbone.parameters()).device)
        # A GPU needs more pictures at once to be kept busy.
        self.batch_size = 64 if self.device.type == "cuda" else 8
        part, side = backbone if stage is None else backbone.until(stage), network.image_size_px
        example = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.device)
        with torch.inference_mode(), _exact_convolutions():
            self.network = self._lay_out(part)
            if not fold_norms(self.network, example):
                self.network = self._lay_out(part)
        values = [
            255 * torch.tensor(values, device=self.device) for values in (network.recipe.mean, network.recipe.std)
        ]
        self.mean, self.std = (value.view(1, 3, 1, 1) for value in values)
        self.autocast = precision == "fast" and self.device.type == "cuda" and torch.cuda.is_bf16_supported(False)

    def _lay_out(self, part):
        # A copy: the backbone itself stays where it is and as it is.
        return copy.deepcopy(part).eval().to(self.device).to(memory_format=torch.channels_last)

    def run(self, batches):
        """Yield (batch_size, *shape) float32 of each batch."""
        for batch in batches:
            # Not around the loop: what is set here must not hold where the caller goes on between two batches.
            with (
                torch.inference_mode(),
                _exact_convolutions(),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast),
            ):
                pictures = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2)
                values = self.network((pictures.float() - self.mean) / self.std)
                if self.output.stage is not None and self.output.pooled and self.output.places:
                    values = values.mean(dim=self.output.places)
                elif not self.output.pooled and self.output.places == (1, 2):
                    values = values.permute(0, 3, 1, 2)
                values = np.ascontiguousarray(values.float().cpu().numpy())
            yield values


@contextlib.contextmanager
def _exact_convolutions():
    # cuDNN rounds float32 to TensorFloat-32 unless told otherwise, and changes the features' third digit.
    kept = torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    try:
        torch.backends.cudnn.conv.fp32_precision = torch.backends.cuda.matmul.fp32_precision = "ieee"
        yield
    finally:
        torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = kept


def fold_norms(network, batch):
    """Fold each BatchNorm into the convolution before it: the same function in fewer passes over memory.

    Which norm layer follows which convolution is watched on a batch.

    Arguments
    ---------
    network: torch.nn.Module
        In evaluation mode. It is changed.
    batch: (n, 3, height, width) float32

    Returns whether the network still computes what it did. Where the output of a convolution goes to its norm layer and
    elsewhere too, it doesn't, and is of no use any more.
    """
    before = network(batch)
    for convolution, name, norm in _find_pairs(network, batch):
        folded = fuse_conv_bn_eval(convolution, norm)
        convolution.weight, convolution.bias = folded.weight, folded.bias
        # timm's norm layers hold the activation that follows them.
        rest = [layer for layer in (getattr(norm, "drop", None), getattr(norm, "act", None)) if layer is not None]
        network.set_submodule(name, nn.Sequential(*rest))
    return bool((network(batch) - before).abs().max() <= 1e-5 * before.abs().max())


def _find_pairs(network, batch):
    made, pairs, seen = {}, [], []

    def watch(layer, inputs, output):
        seen.append(layer)
        if isinstance(layer, nn.Conv2d):
            made[id(output)] = layer, output  # the output is kept, so that no other takes its id
        elif id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], layer))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [layer.register_forward_hook(watch) for layer in layers]
    try:
        network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    names = {layer: name for name, layer in network.named_modules()}
    # A layer that is used twice serves two masters.
    return [(c, names[norm], norm) for c, norm in pairs if seen.count(c) == seen.count(norm) == 1]
