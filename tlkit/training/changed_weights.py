"""The tensors that a training changed in a pretrained backbone, and the backbone composed of them again."""

import dataclasses
import importlib

import torch

from tlkit.backbones.backbone import hash_tensors
from tlkit.backbones.loader import load_backbone
from tlkit.backbones.weights.error import WeightsError
from tlkit.training.batches import hash_digests
from tlkit.training.lora import merge


def list_changed(tensors, start):
    """Return the names of the tensors that have other bits than in `start`, or are missing there."""
    return [name for name, value in tensors.items() if name not in start or not _same_bits(value, start[name])]


def list_changed_since(backbone, *runs):
    """Return the names of the tensors of a backbone that differ from the start of the last of some runs."""
    # The start itself isn't kept; it is composed of the tensors that runs with the same start left unchanged.
    start = {}
    for run in runs:
        if run.start_hash == runs[-1].start_hash:
            start |= {name: value for name, value in run.backbone.state_dict().items() if name not in run.changed}
    return list_changed(backbone.state_dict(), start)


def compose(start, changed, adapters):
    """Return a backbone's tensors: those of its start, then those that changed, then weights with merged adapters."""
    composed = dict(start) | changed
    for name, down in adapters.items():
        path, _, matrix = name.rpartition(".")
        if matrix == "lora_A":
            composed[f"{path}.weight"] = merge(start[f"{path}.weight"], down, adapters[f"{path}.lora_B"])
    return composed


def load_start(name, recipe, start_hash, given=None):
    """Return the pretrained backbone of a name, or the one given, if its tensors have this hash; else WeightsError."""
    try:
        backbone = given or load_backbone(name, **recipe.settings)
    except (WeightsError, ValueError, TypeError) as error:
        raise WeightsError(f"the pretrained weights of {name} can't be loaded: {error}") from error
    if hash_tensors(backbone.state_dict()) != start_hash:
        raise WeightsError(f"the run started from other weights than the pretrained ones that {name} has here")
    return backbone


def find_start(backbone, start_hash):
    """Return the pretrained backbone that one was trained from; WeightsError or ValueError if it isn't found."""
    made, recipe, given = backbone.made, backbone.recipe, None
    if made is not None and "config" not in made:
        own_network = importlib.import_module("tlkit.backbones.own_network")
        saved = {"name": backbone.name, "recipe": dataclasses.asdict(recipe), "made": made}
        given = own_network.remake(made["factory"], saved)
    return load_start(backbone.name, recipe, start_hash, given)


def check_loadable(backbone):
    """Raise ValueError if `load_run` couldn't make a network of this name again into which the weights fit."""
    if backbone.made is not None:  # the user gives it to `load_run`
        return
    try:
        # Names and shapes suffice, but networks of timm are divided into stages by their values.
        with torch.device("cpu" if backbone.name.startswith("timm:") else "meta"):
            again = load_backbone(backbone.name, weights=None, **backbone.recipe.settings)
        given, found = (
            (str(network.body), str(network.tail), {name: value.shape for name, value in network.state_dict().items()})
            for network in (backbone, again)
        )
        difference = None if given == found else "that name stands for another network"
    except (WeightsError, ValueError, TypeError, ImportError) as error:
        difference = str(error)
    if difference:
        raise ValueError(
            f"backbone: {backbone.name!r} can't be loaded again by its name ({difference}), so the run can't be saved. "
            "Keep run.backbone.state_dict() and run.head.state_dict() with torch.save and build the network with your "
            "own code, or make the backbone by tl.Backbone.from_module, whose runs load_run loads"
        )


def trace_tuned(start, strategy, start_hash, pretrained_on=None):
    """Return the provenance of weights that a strategy tuned from `start`, on digests of pictures without labels."""
    further = f", pretrained further on {len(pretrained_on)} pictures without labels" if pretrained_on else ""
    source = f"{start['source']}{further}, tuned by {strategy}"
    tuned = {"source": source, "file": None, "sha256": None, "licence": start.get("licence"), "tuned": True}
    tuned |= {"pretrained_on": hash_digests(pretrained_on)} if pretrained_on else {}
    return tuned | {"start": dict(start) | {"weights_hash": start_hash}}


def _same_bits(tensor, other):
    """Return whether two tensors have the same type, shape and bits."""
    # Compared as bytes, because -0 equals 0 and NaN does not equal NaN.
    both = (value.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for value in (tensor, other))
    return tensor.dtype == other.dtype and tensor.shape == other.shape and torch.equal(*both)
