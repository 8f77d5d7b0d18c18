"""What a training changed of a pretrained backbone, and the backbone put together from it again."""

import torch

from tlkit.backbones.backbone import hash_tensors
from tlkit.backbones.loader import load_backbone
from tlkit.backbones.weights.error import WeightsError
from tlkit.training.lora import merge


def list_changed(tensors, start):
    """Return the names of tensors whose bits differ from those of the same name in `start`, or that it hasn't."""
    return [name for name, value in tensors.items() if name not in start or not _same_bits(value, start[name])]


def list_changed_since(backbone, *runs):
    """Return the names of what differs in a backbone from the one that the last of some runs started from.

    The start itself isn't kept; what runs that began there left as it was tells.
    """
    start = {
        name: value
        for run in runs
        if run.start_hash == runs[-1].start_hash
        for name, value in run.backbone.state_dict().items()
        if name not in run.changed
    }
    return list_changed(backbone.state_dict(), start)


def compose(start, changed, adapters):
    """Return the tensors of a backbone, put together from those it started from and what differs.

    Arguments
    ---------
    start: dict of str to tensor
        Of the pretrained backbone.
    changed: dict of str to tensor
        What takes the place of tensors of `start`.
    adapters: dict of str to tensor
        As `merge_lora` leaves them.
    """
    composed = dict(start) | changed
    for name, down in adapters.items():
        path, _, matrix = name.rpartition(".")
        if matrix == "lora_A":
            composed[f"{path}.weight"] = merge(start[f"{path}.weight"], down, adapters[f"{path}.lora_B"])
    return composed


def load_start(name, image_size_px, start_hash):
    """Return the pretrained backbone of a name once its tensors are known to have a hash; else WeightsError."""
    try:
        backbone = load_backbone(name, image_size_px=image_size_px)
    except (WeightsError, ValueError, TypeError) as error:
        raise WeightsError(f"the pretrained weights of {name} can't be loaded: {error}") from error
    if hash_tensors(backbone.state_dict()) != start_hash:
        raise WeightsError(
            f"the run started from other weights than the pretrained ones that {name} has here, such as random ones, "
            "those of a file, or those of another version of the package they come with"
        )
    return backbone


def _same_bits(tensor, other):
    if tensor.dtype != other.dtype or tensor.shape != other.shape:
        return False
    # As bytes: -0 is 0 by value and NaN isn't NaN.
    return torch.equal(*(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for value in (tensor, other)))
