"""How each network is cut into stages: named parts in forward order, with boundaries behind activations.

Some activations overwrite their input. A boundary right before one would let the later part change what the earlier
part returned, so each stage here begins with a layer that leaves its input alone.
"""

import itertools

from torch import nn


def build_network(name):
    """Build a network with random weights from torch's global random state.

    Returns (network, stages, tail, left_out). `stages` maps names to modules that share the network's parameters and
    hold each of them once, except those of `left_out` (names of the layers that output classes).
    `tail` turns the last stage's output into features and has no parameters.
    """
    return _BUILDERS[name]()


def _efficientnet_lite0():
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    stages = {"stem": nn.Sequential(network.conv_stem, network.bn1)}
    stages |= {f"stage{number}": block for number, block in enumerate(network.blocks, start=1)}
    stages["conv_head"] = nn.Sequential(network.conv_head, network.bn2)
    return network, stages, network.global_pool, ("classifier",)


def _resnet(name):
    import torchvision

    network = torchvision.models.get_model(name, weights=None)
    stages = {"stem": nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)}
    stages |= {f"stage{number}": getattr(network, f"layer{number}") for number in (1, 2, 3, 4)}
    return network, stages, nn.Sequential(network.avgpool, nn.Flatten(1)), ("fc",)


def _vgg16():
    import torchvision

    network = torchvision.models.vgg16(weights=None)
    bounds = [0] + [i + 1 for i, layer in enumerate(network.features) if isinstance(layer, nn.MaxPool2d)]
    stages = {
        f"stage{number}": network.features[start:end]
        for number, (start, end) in enumerate(itertools.pairwise(bounds), start=1)
    }
    stages["fc6"] = nn.Sequential(network.avgpool, nn.Flatten(1), *network.classifier[0:3])
    stages["fc7"] = network.classifier[3:6]
    return network, stages, nn.Identity(), ("classifier.6",)


def _mobilenet_v3_small():
    import torchvision

    network = torchvision.models.mobilenet_v3_small(weights=None)
    # A stage ends where the map is halved; the last convolution is a stage of its own, as in EfficientNet.
    parts = {"stem": (0, 1), "stage1": (1, 2), "stage2": (2, 4), "stage3": (4, 9), "stage4": (9, 12)}
    stages = {name: network.features[start:end] for name, (start, end) in parts.items()}
    stages["conv_head"] = network.features[12:13]
    stages["fc"] = nn.Sequential(network.avgpool, nn.Flatten(1), *network.classifier[0:3])
    return network, stages, nn.Identity(), ("classifier.3",)


_BUILDERS = {
    "efficientnet_lite0": _efficientnet_lite0,
    "mobilenet_v3_small": _mobilenet_v3_small,
    "resnet18": lambda: _resnet("resnet18"),
    "resnet50": lambda: _resnet("resnet50"),
    "vgg16": _vgg16,
}
