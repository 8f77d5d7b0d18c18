"""Low-rank adapters (LoRA): inserted before the phases, trained, and merged into the weights afterwards."""

import contextlib
import copy

import torch
from torch import nn

from tlkit.arguments import check_count, check_number, import_extra
from tlkit.cpu.draws import Draws

# The name that peft gives an adapter without a name.
_ADAPTER = "default"


def insert_lora(backbone, seed, *, rank=4, scale=1.0):
    """Return a copy of a backbone with low-rank adapters in linear layers and ungrouped convolutions."""
    # Hu et al. 2022 (LoRA: low-rank adaptation of large language models): a layer with weights W returns
    # W x + scale · B A x, and B is zero at first, so the network starts as it was, bit for bit. The paper adapts only
    # the projections of attention. We adapt every layer that can be merged, since convolutional networks have no
    # attention: in a convolution A has its kernel size and stride, and B is 1 × 1. The paper's alpha is scale × rank.
    # It divides by the rank, and we do not, for the same reason: if the rank changes, the learning rate can stay.
    rank = check_count("rank", rank, 0)
    scale = check_number("scale", scale, above=0, hint="; for no adapters take rank=0")
    backbone = copy.deepcopy(backbone)
    if rank == 0:
        return backbone
    (peft,) = import_extra("LoRA needs", "pip install peft", "peft")  # takes seconds
    names = _find_layers(backbone)
    if not names:
        raise ValueError(f"backbone: {backbone.name} has no linear layer or convolution that could take an adapter")
    config = peft.LoraConfig(r=rank, lora_alpha=scale * rank, target_modules=names)
    with Draws(seed):
        peft.inject_adapter_in_model(config, backbone)
    return backbone


def merge_lora(training):
    """Merge the adapters of `insert_lora` into the weights and put the plain layers back, to end a training."""
    # `training.adapters` gets A and scale × B of each layer whose own weights are still the pretrained ones. If a phase
    # trained these as well, only the merged weights describe the layer.
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
        parent, _, attribute = path.rpartition(".")
        setattr(training.backbone.get_submodule(parent), attribute, layer)
    if hasattr(training.backbone, "peft_config"):
        del training.backbone.peft_config


def merge(weight, down, up):
    """Return weights (n_out, n_in, …) + B (n_out, rank, …) × A (rank, n_in, …), the same bits on every machine."""
    down, up = down.flatten(1), up.flatten(1)
    # Sums in a fixed order: a matrix product may sum in another order on another machine.
    change = up[:, :1] * down[:1]
    for row in range(1, len(down)):
        change += up[:, row : row + 1] * down[row : row + 1]
    return weight + change.reshape(weight.shape)


def _find_layers(backbone):
    """Return the names of the layers that can have an adapter and be merged with it."""
    from timm.layers import Conv2dSame

    # Exact types, because a subclass may change its weights before it uses them (weight standardisation), and can't be
    # merged. Layers that are never called can't be adapted, as some projections of torchvision's ViT and Swin.
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
    with contextlib.ExitStack() as hooks:
        for name, module in layers.items():
            hooks.enter_context(module.register_forward_hook(lambda *_, name=name: called.add(name)))
        backbone.infer_shape()
    return [name for name in layers if name in called]
