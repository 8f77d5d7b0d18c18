"""Early stopping: the best epoch on the validation pictures, and when a phase ends because none was better."""

import math

import numpy as np
import torch
from torch import nn

from tlkit.cpu.threads import convolutions

_BATCH_SIZE = 32


class Best:
    """The weights of the epoch with the smallest validation loss of a phase."""

    def __init__(self, loss=math.inf, epoch=None, tensors=None):
        self.loss, self.epoch, self.tensors = loss, epoch, tensors

    def note(self, row, backbone, head):
        """Keep the weights if the epoch of this row of the history is the best so far."""
        if row["validation_loss"] < self.loss:
            self.loss, self.epoch = row["validation_loss"], row["epoch"]
            self.tensors = copy_tensors(take_tensors(backbone, head))

    def is_over(self, history, patience):
        """Return whether the best epoch was at least `patience` epochs ago; False if that is None."""
        return patience is not None and history[-1]["epoch"] - self.epoch >= patience


def validate(network, head, inputs, device):
    """Return validation_loss and validation_accuracy, without augmentation; network and head end in evaluation mode."""
    total_loss = n_correct = 0
    for _, scores, labels in predict_batches(network, head, inputs, device):
        total_loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        n_correct += (scores.argmax(1) == labels).sum().item()
    return {"validation_loss": total_loss / len(inputs), "validation_accuracy": n_correct / len(inputs)}


@torch.no_grad()
def predict_batches(network, head, inputs, device):
    """Yield features (n, n_features), scores (n, n_classes) and labels (n,) of all inputs, not augmented."""
    network.eval()
    head.eval()
    for indices in np.array_split(np.arange(len(inputs)), math.ceil(len(inputs) / _BATCH_SIZE)):
        batch, labels = (tensor.to(device) for tensor in inputs.batch(indices, None, 0))
        with convolutions.together():
            features = network(batch)
        yield features, head(features), labels


def take_tensors(backbone, head):
    """Return parameters and buffers of both as {"backbone.…" or "head.…": tensor}, not copied."""
    parts = {"backbone": backbone, "head": head}
    return {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}


def copy_tensors(tensors):
    """Return copies of a dict of tensors, which training doesn't change."""
    return {name: value.detach().clone() for name, value in tensors.items()}


def put_back(tensors, backbone, head):
    """Copy tensors named as by `take_tensors` into backbone and head."""
    own = take_tensors(backbone, head)
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)
