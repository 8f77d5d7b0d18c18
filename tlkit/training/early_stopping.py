"""The best epoch on pictures held out of training, and when to give up waiting for a better one."""

import math

import numpy as np
import torch
from torch import nn

_BATCH_SIZE = 32


class Best:
    """The weights of the epoch with the smallest validation loss of a phase."""

    def __init__(self, loss=math.inf, epoch=None, tensors=None):
        self.loss, self.epoch, self.tensors = loss, epoch, tensors

    def note(self, row, backbone, head):
        """Take over the weights if the epoch of this row of the history is the best so far."""
        if row["validation_loss"] < self.loss:
            self.loss, self.epoch = row["validation_loss"], row["epoch"]
            self.tensors = copy_tensors(take_tensors(backbone, head))

    def is_over(self, history, patience):
        """Say whether so many epochs came after the best one; never where `patience` is None."""
        return patience is not None and history[-1]["epoch"] - self.epoch >= patience


def validate(network, head, pictures, device):
    """Return validation_loss and validation_accuracy on pictures that are not augmented.

    Arguments
    ---------
    network, head: torch.nn.Module
        Left in evaluation mode.
    pictures: TrainingPictures or FrontPictures
    device: torch.device
    """
    network.eval()
    head.eval()
    total_loss = n_right = 0
    with torch.no_grad():
        for indices in np.array_split(np.arange(len(pictures)), math.ceil(len(pictures) / _BATCH_SIZE)):
            batch, labels = (tensor.to(device) for tensor in pictures.batch(indices, None, 0))
            scores = head(network(batch))
            total_loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
            n_right += (scores.argmax(1) == labels).sum().item()
    return {"validation_loss": total_loss / len(pictures), "validation_accuracy": n_right / len(pictures)}


def take_tensors(backbone, head):
    """Return the parameters and buffers of both, {"backbone.…" or "head.…": tensor}, not copied."""
    parts = {"backbone": backbone, "head": head}
    return {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}


def copy_tensors(tensors):
    """Return a dict of tensors as copies that no training moves."""
    return {name: value.detach().clone() for name, value in tensors.items()}


def put_back(tensors, backbone, head):
    """Copy what `take_tensors` gave into backbone and head."""
    own = take_tensors(backbone, head)
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)
