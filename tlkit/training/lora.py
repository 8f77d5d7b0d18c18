"""Low-rank adapters (LoRA) beside the pretrained weights: inserted before the phases, merged into them afterwards."""

import copy
import math

import torch
from torch import nn

# What peft calls the adapter that it is given no name for.
_ADAPTER = "default"


def insert_lora(backbone, seed, *, rank=4, scale=1.0):
    """Return a copy of a backbone with low-rank adapters in its linear layers and ungrouped convolutions.

    Hu et al. 2022 (LoRA: low-rank adaptation of large language models): a layer with weights W gives
    W x + scale · B A x, where A maps to `rank` channels and B, zero at first, back. So the network starts as it was,
    bit for bit. The paper has only the projections of attention adapted; we take every layer that can be merged, since
    convolutional networks have no attention: in a convolution A has its kernel size and stride and B is 1 × 1. The
    paper's alpha is `scale * rank`; it divides by the rank for the reason that we leave it out, so that `rank` can
    be changed and the learning rate kept.

    Left without adapters are grouped and dilated convolutions, layers that change their weights before they use them
    (weight standardisation), and those whose weights the network uses past the layer itself, such as the projections
    of torchvision's ViT and Swin. A is drawn as peft does.

    Arguments
    ---------
    backbone: Backbone
    seed: int
        Of A; torch's own random state stays as it is.
    rank: int
        0 inserts nothing.
    scale: float
        Above 0.

    Returns a Backbone for phases that train "adapter"; `merge_lora` ends them. Needs peft: `tlkit[adapters]`.

    Raises ValueError or TypeError for a rank or scale out of range, ModuleNotFoundError without peft.
    """
    if isinstance(rank, bool) or not isinstance(rank, int):
        raise TypeError(f"rank: {rank!r}, expected a whole number")
    if rank < 0:
        raise ValueError(f"rank: {rank}, expected 0, which inserts nothing, or more")
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(f"scale: {scale!r}, expected a number")
    if not 0 < scale < math.inf:
        raise ValueError(f"scale: {scale!r}, expected a number above 0; for no adapters take rank=0")
    backbone = copy.deepcopy(backbone)
    if rank == 0:
        return backbone
    try:
        import peft  # takes seconds
    except ModuleNotFoundError as error:
        if error.name != "peft":
            raise
        raise ModuleNotFoundError('LoRA needs peft, which is not installed: pip install "tlkit[adapters]"') from error
    names = _find_layers(backbone)
    if not names:
        raise ValueError(f"backbone: {backbone.name} has no linear layer or convolution that could take an adapter")
    config = peft.LoraConfig(r=rank, lora_alpha=scale * rank, target_modules=names)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        peft.inject_adapter_in_model(config, backbone)
    return backbone


def merge_lora(training):
    """End a training with `insert_lora`'s adapters merged into the weights, and the plain layers back in their places.

    `training.adapters` gets A ("….lora_A") and B times the scale ("….lora_B") of each layer whose own weights are
    still those of the pretrained network, from which `merge` gives the layer's weights again. Where a phase trained
    these as well, only the merged weights say what the layer does.
    """
    pretrained = training.original.state_dict()
    for path, adapted in list(training.backbone.named_modules()):
        if not hasattr(adapted, "lora_A"):
            continue
        layer = adapted.base_layer
        down = adapted.lora_A[_ADAPTER].weight.detach().contiguous()
        up = adapted.lora_B[_ADAPTER].weight.detach().contiguous() * adapted.scaling[_ADAPTER]
        name = f"{path}.weight"
        if name in pretrained and torch.equal(layer.weight, pretrained[name]):
            training.adapters |= {f"{path}.lora_A": down, f"{path}.lora_B": up}
        with torch.no_grad():
            layer.weight.copy_(merge(layer.weight, down, up))
        parent, _, place = path.rpartition(".")
        setattr(training.backbone.get_submodule(parent), place, layer)
    if hasattr(training.backbone, "peft_config"):
        del training.backbone.peft_config


def merge(weight, down, up):
    """Return weights with a low-rank change added, the same bits on each machine: nothing but sums in a fixed order.

    Arguments
    ---------
    weight: (n_out, n_in) or (n_out, n_in, height, width)
    down: (rank, n_in) or (rank, n_in, height, width)
        LoRA's A.
    up: (n_out, rank) or (n_out, rank, 1, 1)
        LoRA's B, times the scale.

    >>> merge(torch.eye(2), torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0], [0.0]])).tolist()
    [[11.0, 20.0], [0.0, 1.0]]
    """
    down, up = down.flatten(1), up.flatten(1)
    # A matrix product may sum in another order elsewhere.
    change = up[:, :1] * down[:1]
    for place in range(1, len(down)):
        change += up[:, place : place + 1] * down[place : place + 1]
    return weight + change.reshape(weight.shape)


def _find_layers(backbone):
    """Return the names of the layers that take an adapter and can be merged with it."""
    from timm.layers import Conv2dSame

    # Exact types: a subclass may change its weights before it uses them, and then can't be merged.
    layers = {
        name: module
        for name, module in backbone.named_modules()
        if type(module) is nn.Linear
        or (
            type(module) in (nn.Conv2d, Conv2dSame)
            and module.groups == 1
            and set(module.dilation) == {1}
            and module.padding_mode == "zeros"
        )
    }
    called = set()
    hooks = [module.register_forward_hook(lambda *_, name=name: called.add(name)) for name, module in layers.items()]
    try:
        backbone.infer_shape(backbone.image_size_px)
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name in layers if name in called]
