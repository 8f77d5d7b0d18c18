"""Heads as torch modules. Imported only when one is made."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def make_linear(weight, bias):
    """Return a torch.nn.Linear with (n_out, n_in) weights and (n_out,) biases, copied as float32."""
    # On the meta device no weights are drawn, so torch's random state stays as it was.
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta").to_empty(device="cpu")
    return _fill(layer, weight, bias)


def make_convolutional(kernel, kernel_bias, weight, bias):
    """Return convolution (odd kernel size), rectifier, mean over the map and linear layer: (n, c, h, w) to (n, k)."""
    n_channels, n_input, size, _ = kernel.shape
    convolution = nn.Conv2d(n_input, n_channels, size, padding=size // 2, device="meta").to_empty(device="cpu")
    _fill(convolution, kernel, kernel_bias)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), make_linear(weight, bias))


def _fill(layer, weight, bias):
    """Return a layer with these weights and biases (arrays)."""
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.asarray(bias)))
    return layer


class CosineLayer(nn.Module):
    """Scores: `sharpness` × the cosines between features and (n_classes, n_features) directions, plus a fixed bias."""

    def __init__(self, directions, bias, sharpness):
        super().__init__()
        self.directions = nn.Parameter(torch.tensor(directions, dtype=torch.float32))
        self.sharpness = nn.Parameter(torch.tensor(sharpness, dtype=torch.float32))
        # 0, or far below for a class without training pictures.
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))

    def forward(self, values):
        """Return (n, n_classes) scores of (n, n_features) values."""
        cosines = functional.normalize(values) @ functional.normalize(self.directions).T
        return self.sharpness * cosines + self.bias


class NeighborVotes(nn.Module):
    """Scores: the logarithm of the share of votes of the nearest among the (m, n_features) kept features."""

    def __init__(self, kept, labels, n_classes, n_neighbors, smallest_distance):
        super().__init__()
        self.n_neighbors, self.smallest_distance = n_neighbors, smallest_distance
        # In float64: 1 - cosine of two very similar pictures has few digits left.
        self.register_buffer("kept", functional.normalize(torch.tensor(kept, dtype=torch.float64)))
        self.register_buffer("votes", functional.one_hot(torch.tensor(labels), n_classes).to(torch.float64))

    def forward(self, values):
        """Return (n, n_classes) scores of (n, n_features) values."""
        distances = 1 - functional.normalize(values.to(self.kept.dtype)) @ self.kept.T
        nearest, indices = distances.topk(self.n_neighbors, largest=False)
        votes = (self.votes[indices] / nearest.clamp(min=self.smallest_distance)[..., None]).sum(dim=1)
        # For a class without a vote, a share of e⁻⁶⁹ keeps the logarithm and its gradient finite.
        return (votes / votes.sum(dim=1, keepdim=True)).clamp(min=1e-30).log().to(values.dtype)
