"""Heads as torch modules. Imported only where one is made."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def make_linear(weight, bias):
    """Return a torch.nn.Linear with (n_out, n_in) weights and (n_out,) biases, copied as float32.

    >>> make_linear(np.eye(2), np.zeros(2))(torch.tensor([[1.0, 2.0]])).tolist()
    [[1.0, 2.0]]
    """
    # On "meta" it draws no weights, and so leaves torch's random numbers alone.
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta").to_empty(device="cpu")
    return _fill(layer, weight, bias)


def make_convolutional(kernel, kernel_bias, weight, bias):
    """Return convolution, rectifier, mean over the map and linear layer: (n, n_in, h, w) to (n, n_out).

    Arguments
    ---------
    kernel: (n_channels, n_in, size, size), with an odd size
    kernel_bias: (n_channels,)
    weight: (n_out, n_channels)
    bias: (n_out,)
    """
    n_channels, n_input, size, _ = kernel.shape
    convolution = nn.Conv2d(n_input, n_channels, size, padding=size // 2, device="meta").to_empty(device="cpu")
    _fill(convolution, kernel, kernel_bias)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), make_linear(weight, bias))


def _fill(layer, weight, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.asarray(bias)))
    return layer


class CosineLayer(nn.Module):
    """Scores by the cosines between features and directions.

    Arguments
    ---------
    directions: (n_classes, n_features) float
    bias: (n_classes,) float
        Fixed: 0, or far below for a class that was not seen.
    sharpness: float
        The factor on the cosines; a parameter.
    """

    def __init__(self, directions, bias, sharpness):
        super().__init__()
        self.directions = nn.Parameter(torch.tensor(directions, dtype=torch.float32))
        self.sharpness = nn.Parameter(torch.tensor(sharpness, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))

    def forward(self, values):
        """Return (n, n_classes) scores of (n, n_features) values."""
        cosines = functional.normalize(values) @ functional.normalize(self.directions).T
        return self.sharpness * cosines + self.bias


class NeighborVotes(nn.Module):
    """The logarithm of the nearest neighbours' votes.

    Arguments
    ---------
    kept: (m, n_features) float
        Of the pictures that vote.
    labels: (m,) int
    n_classes: int
    n_neighbors: int
    smallest_distance: float
        Nearer pictures count as equally near.
    """

    def __init__(self, kept, labels, n_classes, n_neighbors, smallest_distance):
        super().__init__()
        self.n_neighbors, self.smallest_distance = n_neighbors, smallest_distance
        # In float64: 1 - cosine of two pictures that are much alike has few digits left.
        self.register_buffer("kept", functional.normalize(torch.tensor(kept, dtype=torch.float64)))
        self.register_buffer("votes", functional.one_hot(torch.tensor(labels), n_classes).to(torch.float64))

    def forward(self, values):
        """Return (n, n_classes) scores of (n, n_features) values."""
        distances = 1 - functional.normalize(values.to(self.kept.dtype)) @ self.kept.T
        nearest, indices = distances.topk(self.n_neighbors, largest=False)
        votes = (self.votes[indices] / nearest.clamp(min=self.smallest_distance)[..., None]).sum(dim=1)
        # A class without a vote: a share of e⁻⁶⁹ keeps the logarithm, and its gradient, finite.
        return (votes / votes.sum(dim=1, keepdim=True)).clamp(min=1e-30).log().to(values.dtype)
