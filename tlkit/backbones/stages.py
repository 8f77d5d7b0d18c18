"""Building a network and cutting it into stages: named parts in forward order that hold every parameter once."""

import importlib
import re

import torch
from torch import nn

from tlkit.backbones.families import FAMILIES
from tlkit.backbones.networks import TIMM, find_entry, import_timm_networks


def build_network(name, entry=None):
    """Build a network with random weights; return (network, {stage: module}, tail, names of classifier layers)."""
    # The weights come from torch's random state. `entry` is for the set of weights that the network will load;
    # by default its default set. Stages share the network's parameters, and hold each of them once except those of the
    # classifier layers. The tail turns the output of the last stage into features.
    if name.startswith(TIMM):
        # With the tag: timm builds some networks differently for some sets of weights, for example larger pictures.
        build_timm = import_timm_networks().build_timm
        return build_timm(name if entry is None or not entry.weights_file else f"{entry.name}.{entry.weights}")
    entry = entry or find_entry(name)
    network = _create(entry)
    stages, tail, classifier = FAMILIES[entry.family].lay_out(network)
    if name == "vgg16" and entry.weights == "IMAGENET1K_FEATURES":
        # These weights end with the convolutions; the layers behind them are NaN in the file.
        del stages["fc6"], stages["fc7"]
        tail, classifier = "avgpool FLATTEN", ("classifier",)
    return network, {stage: _join(network, parts) for stage, parts in stages.items()}, _join(network, tail), classifier


def _create(entry):
    """Return the whole network with random weights, from timm (EfficientNet-Lite), torchvision or here."""
    if entry.family in ("thin ResNet", "PP-LCNet"):
        return importlib.import_module("tlkit.backbones.packed_networks").PACKED[entry.name]()
    if entry.family == "EfficientNet-Lite":
        import timm

        return timm.create_model(f"tf_{entry.name}", pretrained=False)
    from torchvision.models import get_model

    options = {}
    if entry.family in ("GoogLeNet", "Inception"):
        # torchvision sets these for its own weights only. They decide the computation, whoever loads the weights.
        options = {"transform_input": True, "aux_logits": True, "init_weights": False}
    if entry.family == "ViT":
        options = {"image_size": entry.recipe.crop_size_px}
    return get_model(entry.name, weights=None, **options)


def _join(network, parts):
    """Return one module of the parts of a layout (str, see families.py)."""
    modules = []
    parts = parts.split()
    for part in parts:
        if part in CODE_STEPS:
            modules.append(CODE_STEPS[part](network))
        elif found := re.fullmatch(r"(.+)\[(\d+):(\d+)\]", part):
            path, start, end = found.groups()
            sequence = network.get_submodule(path)[int(start) : int(end)]
            modules += [sequence] if len(parts) == 1 else sequence  # a sequence among others is flattened
        else:
            modules.append(network.get_submodule(part))
    if len(modules) == 1:
        return modules[0]
    return nn.Sequential(*modules) if modules else nn.Identity()


# Steps that the authors of networks wrote as code between the layers, as modules that a stage can hold. The names of
# these classes are part of a backbone's fingerprint, so they must not change.


class ToInceptionScale(nn.Module):
    """Turn pictures standardised for ImageNet into values from -1 to 1, as Google trained GoogLeNet and Inception."""

    # torchvision does this inside these two networks, but only if it loads the weights itself.
    def forward(self, batch):
        """Return (n, 3, height, width) of the same."""
        # The same operations in the same order as torchvision's, so that every bit agrees.
        channels = [
            batch[:, channel].unsqueeze(1) * (std / 0.5) + (mean - 0.5) / 0.5
            for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))
        ]
        return torch.cat(channels, 1)


class Tokens(nn.Module):
    """The first stage of torchvision's ViT, whose parameters it shares: patches, class token, position embedding."""

    def __init__(self, network):
        super().__init__()
        self.conv_proj = network.conv_proj
        self.class_token = network.class_token
        self.pos_embedding = network.encoder.pos_embedding
        self.dropout = network.encoder.dropout

    def forward(self, batch):
        """Return (n, 1 + n_patches, n_features) of pictures (n, 3, height, width)."""
        patches = self.conv_proj(batch).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(len(batch), -1, -1)
        return self.dropout(torch.cat([class_token, patches], 1) + self.pos_embedding)


class ClassToken(nn.Module):
    """The input of a ViT's classifier: the first token."""

    def forward(self, tokens):
        """Return (n, n_features) of tokens (n, 1 + n_patches, n_features)."""
        return tokens[:, 0]


CODE_STEPS = {
    "CLASS_TOKEN": lambda network: ClassToken(),
    "FLATTEN": lambda network: nn.Flatten(1),
    "INCEPTION_SCALE": lambda network: ToInceptionScale(),
    "MEAN": lambda network: nn.AdaptiveAvgPool2d(1),
    "RELU": lambda network: nn.ReLU(),
    "TOKENS": Tokens,
}
