"""How each network is cut into stages: named parts in forward order, with boundaries behind activations.

Some activations overwrite their input. A boundary right before one would let the later part change what the earlier
part returned, so each stage here begins with a layer that leaves its input alone. GoogLeNet and Inception have a
boundary where each of their auxiliary classifiers branches off. Dropout right before the last layer belongs to the
classifier, and is left out with it, as are layers that output classes.
"""

import itertools
import re

from torch import nn

from tlkit.backbones.entry import TIMM
from tlkit.backbones.networks import find_entry
from tlkit.backbones.stage_modules import ClassToken, ToInceptionScale, Tokens


def build_network(name, entry=None):
    """Build a network with random weights from torch's global random state.

    Arguments
    ---------
    name: str
    entry: Entry, optional
        Of the weights that the network is to take; by default of its default weights.

    Returns (network, stages, tail, left_out). `stages` maps names to modules that share the network's parameters and
    hold each of them once, except those of `left_out` (names of the layers that output classes).
    `tail` turns the last stage's output into features and has no parameters.

    >>> network, stages, tail, left_out = build_network("squeezenet1_1")
    >>> list(stages), left_out
    (['stem', 'stage1', 'stage2', 'stage3'], ('classifier.1',))
    """
    if name.startswith(TIMM):
        from tlkit.backbones.timm_networks import build_timm

        # With the tag: timm builds some networks otherwise for some sets of weights, as for larger pictures.
        return build_timm(name if entry is None or not entry.weights_file else f"{entry.name}.{entry.weights}")
    entry = entry or find_entry(name)
    network = _create(entry)
    stages, tail, left_out = _LAYOUTS[entry.family](network)
    if name == "vgg16" and entry.weights == "IMAGENET1K_FEATURES":
        # These weights end with the convolutions: what would be the layers behind them is NaN.
        del stages["fc6"], stages["fc7"]
        tail, left_out = "avgpool FLATTEN", ("classifier",)
    return network, {stage: _join(network, parts) for stage, parts in stages.items()}, _join(network, tail), left_out


def _create(entry):
    if entry.family == "EfficientNet-Lite":
        import timm

        return timm.create_model(f"tf_{entry.name}", pretrained=False)
    from torchvision.models import get_model

    options = {}
    if entry.family in ("GoogLeNet", "Inception"):
        # What torchvision sets for its own weights only. It decides what the network computes, whoever loads them.
        options = {"transform_input": True, "aux_logits": True, "init_weights": False}
    if entry.family == "ViT":
        options = {"image_size": entry.recipe.crop_size_px}
    return get_model(entry.name, weights=None, **options)


def _join(network, parts):
    # One module of parts that stand in a str, with spaces between: paths of the network's modules, "features[2:4]" for
    # some of a sequence, and capitals for what the network has as code only. A sequence among others is taken apart.
    modules = []
    parts = parts.split()
    for part in parts:
        if part in _CODE:
            modules.append(_CODE[part](network))
        elif found := re.fullmatch(r"(.+)\[(\d+):(\d+)\]", part):
            path, start, end = found.groups()
            sequence = network.get_submodule(path)[int(start) : int(end)]
            modules += [sequence] if len(parts) == 1 else sequence
        else:
            modules.append(network.get_submodule(part))
    if len(modules) == 1:
        return modules[0]
    return nn.Sequential(*modules) if modules else nn.Identity()


_CODE = {
    "CLASS_TOKEN": lambda network: ClassToken(),
    "FLATTEN": lambda network: nn.Flatten(1),
    "INCEPTION_SCALE": lambda network: ToInceptionScale(),
    "MEAN": lambda network: nn.AdaptiveAvgPool2d(1),
    "RELU": lambda network: nn.ReLU(),
    "TOKENS": Tokens,
}


def _number(parts):
    return {f"stage{number}": part for number, part in enumerate(parts, start=1)}


def _lay_out_alexnet(network):
    parts = ("features[0:3]", "features[3:6]", "features[6:8]", "features[8:10]", "features[10:13]")
    stages = _number(parts) | {"fc6": "avgpool FLATTEN classifier[0:3]", "fc7": "classifier[3:6]"}
    return stages, "", ("classifier.6",)


def _lay_out_vgg(network):
    stages = _number(_cut_behind_pools(network.features))
    return stages | {"fc6": "avgpool FLATTEN classifier[0:3]", "fc7": "classifier[3:6]"}, "", ("classifier.6",)


def _lay_out_squeezenet(network):
    stem, *rest = _cut_behind_pools(network.features)
    return {"stem": stem} | _number(rest), "MEAN FLATTEN", ("classifier.1",)


def _cut_behind_pools(features):
    bounds = [0] + [place + 1 for place, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    if bounds[-1] < len(features):
        bounds.append(len(features))
    return [f"features[{start}:{end}]" for start, end in itertools.pairwise(bounds)]


def _lay_out_googlenet(network):
    stages = {
        "stem": "INCEPTION_SCALE conv1 maxpool1 conv2 conv3 maxpool2",
        "inception3": "inception3a inception3b maxpool3",
        "inception4a": "inception4a",
        "inception4d": "inception4b inception4c inception4d",
        "inception4e": "inception4e maxpool4",
        "inception5": "inception5a inception5b",
    }
    return stages, "avgpool FLATTEN", ("fc", "aux1", "aux2")


def _lay_out_inception(network):
    stages = {
        "stem": "INCEPTION_SCALE Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 "
        "Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2",
        "mixed5": "Mixed_5b Mixed_5c Mixed_5d",
        "mixed6": "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e",
        "mixed7": "Mixed_7a Mixed_7b Mixed_7c",
    }
    return stages, "avgpool FLATTEN", ("fc", "AuxLogits")


def _lay_out_resnet(network):
    stages = {"stem": "conv1 bn1 relu maxpool"} | _number(["layer1", "layer2", "layer3", "layer4"])
    return stages, "avgpool FLATTEN", ("fc",)


def _lay_out_densenet(network):
    blocks = [f"features.denseblock{number} features.transition{number}" for number in (1, 2, 3)]
    stages = {"stem": "features[0:4]"} | _number([*blocks, "features.denseblock4 features.norm5 RELU"])
    return stages, "MEAN FLATTEN", ("classifier",)


def _lay_out_shufflenet(network):
    stages = {"stem": "conv1 maxpool"} | _number(["stage2", "stage3", "stage4"])
    return stages | {"conv_head": "conv5"}, "MEAN FLATTEN", ("fc",)


def _lay_out_mnasnet(network):
    stages = {"stem": "layers[0:8]"} | _number([f"layers.{place}" for place in range(8, 14)])
    return stages | {"conv_head": "layers[14:17]"}, "MEAN FLATTEN", ("classifier.1",)


def _lay_out_mobilenet_v2(network):
    # Here and in MobileNetV3 a stage ends where the map is halved; the last convolution is a stage of its own.
    parts = ("features[1:2]", "features[2:4]", "features[4:7]", "features[7:14]", "features[14:18]")
    return (
        {"stem": "features[0:1]"} | _number(parts) | {"conv_head": "features[18:19]"},
        "MEAN FLATTEN",
        ("classifier.1",),
    )


def _lay_out_mobilenet_v3(network):
    large = len(network.features) == 17
    bounds = (1, 2, 4, 7, 13, 16) if large else (1, 2, 4, 9, 12)
    stages = {"stem": "features[0:1]"}
    stages |= _number([f"features[{start}:{end}]" for start, end in itertools.pairwise(bounds)])
    stages |= {"conv_head": f"features[{bounds[-1]}:{bounds[-1] + 1}]", "fc": "avgpool FLATTEN classifier[0:3]"}
    return stages, "", ("classifier.3",)


def _lay_out_efficientnet(network):
    last = len(network.features) - 1
    stages = {"stem": "features.0"} | _number([f"features.{place}" for place in range(1, last)])
    return stages | {"conv_head": f"features.{last}"}, "avgpool FLATTEN", ("classifier.1",)


def _lay_out_efficientnet_lite(network):
    stages = {"stem": "conv_stem bn1"} | _number([f"blocks.{place}" for place in range(len(network.blocks))])
    return stages | {"conv_head": "conv_head bn2"}, "global_pool", ("classifier",)


def _lay_out_regnet(network):
    stages = {"stem": "stem"} | _number([f"trunk_output.block{number}" for number in (1, 2, 3, 4)])
    return stages, "avgpool FLATTEN", ("fc",)


def _lay_out_convnext(network):
    # A halving begins the stage of the blocks that it serves, here and in Swin, as in their papers.
    parts = [
        "features.1",
        "features.2 features.3",
        "features.4 features.5",
        "features.6 features.7 avgpool classifier.0 classifier.1",
    ]
    return {"stem": "features.0"} | _number(parts), "", ("classifier.2",)


def _lay_out_swin(network):
    parts = ["features.1", "features.2 features.3", "features.4 features.5", "features.6 features.7 norm"]
    return {"stem": "features.0"} | _number(parts), "permute avgpool flatten", ("head",)


def _lay_out_vit(network):
    n_blocks = len(network.encoder.layers)
    blocks = {
        f"blocks{number}": f"encoder.layers[{n_blocks * (number - 1) // 4}:{n_blocks * number // 4}]"
        for number in (1, 2, 3, 4)
    }
    blocks["blocks4"] += " encoder.ln"
    return {"stem": "TOKENS"} | blocks, "CLASS_TOKEN", ("heads",)


def _lay_out_maxvit(network):
    stages = {"stem": "stem"} | _number([f"blocks.{place}" for place in range(4)])
    return stages | {"fc": "classifier[0:5]"}, "", ("classifier.5",)


_LAYOUTS = {
    "AlexNet": _lay_out_alexnet,
    "ConvNeXt": _lay_out_convnext,
    "DenseNet": _lay_out_densenet,
    "EfficientNet": _lay_out_efficientnet,
    "EfficientNet-Lite": _lay_out_efficientnet_lite,
    "EfficientNetV2": _lay_out_efficientnet,
    "GoogLeNet": _lay_out_googlenet,
    "Inception": _lay_out_inception,
    "MNASNet": _lay_out_mnasnet,
    "MaxViT": _lay_out_maxvit,
    "MobileNetV2": _lay_out_mobilenet_v2,
    "MobileNetV3": _lay_out_mobilenet_v3,
    "RegNet": _lay_out_regnet,
    "ResNeXt": _lay_out_resnet,
    "ResNet": _lay_out_resnet,
    "ShuffleNetV2": _lay_out_shufflenet,
    "SqueezeNet": _lay_out_squeezenet,
    "Swin": _lay_out_swin,
    "SwinV2": _lay_out_swin,
    "VGG": _lay_out_vgg,
    "ViT": _lay_out_vit,
    "Wide ResNet": _lay_out_resnet,
}
