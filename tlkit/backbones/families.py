"""The families of networks: paper, year, and how their networks are cut into stages. Without torch.

After a new entry in `FAMILIES`, `python tools/network_table_script.py` writes its networks into the table.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable

# A layout is (stages, tail, classifier layers). Stages, in forward order, and the tail, which has no parameters, are
# written as str: paths of the network's modules, "features[2:4]" for some of a sequence, and capitals for code between
# modules (`CODE_STEPS` in stages.py). A dropout right before the last classifier layer belongs to it. A boundary lies
# behind an activation, which may overwrite its input, and in GoogLeNet and Inception at each auxiliary classifier.
Layout = tuple[dict[str, str], str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks."""

    name: str
    pattern: str  # a regular expression that matches the whole name of each of its networks
    year: int  # of the paper's first version
    paper: str  # describes the architecture
    layout: Layout | Callable  # or a function that takes a network, if layouts differ within the family
    fixed_size: bool = False  # a network takes only pictures of the size that it was built for

    def lay_out(self, network):
        """Return the layout of one of its networks: (stages, tail, classifier layers)."""
        stages, tail, classifier = self.layout(network) if callable(self.layout) else self.layout
        return dict(stages), tail, classifier


def find_family(name):
    """Return the `Family` of a network of torchvision's or an EfficientNet-Lite, by the network's name."""
    found = next((family for family in FAMILIES.values() if re.fullmatch(family.pattern, name)), None)
    if found is None:
        raise ValueError(f"name: {name!r} belongs to no family; add one to tlkit.backbones.families.FAMILIES")
    return found


def _number(parts):
    """Return parts as {"stage1": …, "stage2": …}."""
    return {f"stage{number}": part for number, part in enumerate(parts, start=1)}


def _slice(path, bounds):
    """Return the sections of a sequence between bounds (indices)."""
    return [f"{path}[{start}:{end}]" for start, end in itertools.pairwise(bounds)]


def _slice_behind_pools(features):
    """Return the sections of a sequence that end with each max-pooling layer."""
    from torch import nn

    bounds = [0] + [index + 1 for index, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    return _slice("features", bounds if bounds[-1] == len(features) else [*bounds, len(features)])


def _lay_out_vgg(network):
    """Return the layout of a VGG: a stage ends with each max-pooling layer."""
    return _number(_slice_behind_pools(network.features)) | _TWO_LINEAR, "", ("classifier.6",)


def _lay_out_squeezenet(network):
    """Return the layout of a SqueezeNet."""
    stem, *rest = _slice_behind_pools(network.features)
    return {"stem": stem} | _number(rest), "MEAN FLATTEN", ("classifier.1",)


def _lay_out_mobilenet_v3(network):
    """Return the layout of a large or small MobileNetV3."""
    bounds = (1, 2, 4, 7, 13, 16) if len(network.features) == 17 else (1, 2, 4, 9, 12)
    stages = {"stem": "features[0:1]"} | _number(_slice("features", bounds))
    stages |= {"conv_head": f"features[{bounds[-1]}:{bounds[-1] + 1}]", "fc": "avgpool FLATTEN classifier[0:3]"}
    return stages, "", ("classifier.3",)


def _lay_out_efficientnet(network):
    """Return the layout of an EfficientNet."""
    last = len(network.features) - 1
    stages = {"stem": "features.0"} | _number([f"features.{index}" for index in range(1, last)])
    return stages | {"conv_head": f"features.{last}"}, "avgpool FLATTEN", ("classifier.1",)


def _lay_out_efficientnet_lite(network):
    """Return the layout of an EfficientNet-Lite, which timm builds."""
    stages = {"stem": "conv_stem bn1"} | _number([f"blocks.{index}" for index in range(len(network.blocks))])
    return stages | {"conv_head": "conv_head bn2"}, "global_pool", ("classifier",)


def _lay_out_vit(network):
    """Return the layout of a ViT: its blocks in four stages."""
    n_blocks = len(network.encoder.layers)
    sections = _slice("encoder.layers", [n_blocks * number // 4 for number in range(5)])
    stages = {"stem": "TOKENS"} | {f"blocks{number}": section for number, section in enumerate(sections, start=1)}
    stages["blocks4"] += " encoder.ln"
    return stages, "CLASS_TOKEN", ("heads",)


_TWO_LINEAR = {"fc6": "avgpool FLATTEN classifier[0:3]", "fc7": "classifier[3:6]"}
_ALEXNET = _number(_slice("features", [0, 3, 6, 8, 10, 13])) | _TWO_LINEAR, "", ("classifier.6",)
_GOOGLENET = (
    {
        "stem": "INCEPTION_SCALE conv1 maxpool1 conv2 conv3 maxpool2",
        "inception3": "inception3a inception3b maxpool3",
        "inception4a": "inception4a",
        "inception4d": "inception4b inception4c inception4d",
        "inception4e": "inception4e maxpool4",
        "inception5": "inception5a inception5b",
    },
    "avgpool FLATTEN",
    ("fc", "aux1", "aux2"),
)
_INCEPTION = (
    {
        "stem": "INCEPTION_SCALE Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 "
        "Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2",
        "mixed5": "Mixed_5b Mixed_5c Mixed_5d",
        "mixed6": "Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e",
        "mixed7": "Mixed_7a Mixed_7b Mixed_7c",
    },
    "avgpool FLATTEN",
    ("fc", "AuxLogits"),
)
_RESNET = (
    {"stem": "conv1 bn1 relu maxpool"} | _number(["layer1", "layer2", "layer3", "layer4"]),
    "avgpool FLATTEN",
    ("fc",),
)
_THIN_RESNET = (
    {"stem": "conv1 bn1 act1 maxpool"} | _number(["layer1", "layer2", "layer3", "layer4"]),
    "MEAN FLATTEN",
    (),
)
_LCNET = ({name: name for name in ("stem", *_number(range(5)))}, "MEAN FLATTEN", ())
_DENSENET = (
    {"stem": "features[0:4]"}
    | _number([f"features.denseblock{number} features.transition{number}" for number in (1, 2, 3)])
    | {"stage4": "features.denseblock4 features.norm5 RELU"},
    "MEAN FLATTEN",
    ("classifier",),
)
_SHUFFLENET = (
    {"stem": "conv1 maxpool"} | _number(["stage2", "stage3", "stage4"]) | {"conv_head": "conv5"},
    "MEAN FLATTEN",
    ("fc",),
)
_MNASNET = (
    {"stem": "layers[0:8]"} | _number([f"layers.{index}" for index in range(8, 14)]) | {"conv_head": "layers[14:17]"},
    "MEAN FLATTEN",
    ("classifier.1",),
)
# Here and in MobileNetV3 a stage ends when the map is halved; the last convolution is a stage of its own.
_MOBILENET_V2 = (
    {"stem": "features[0:1]"} | _number(_slice("features", [1, 2, 4, 7, 14, 18])) | {"conv_head": "features[18:19]"},
    "MEAN FLATTEN",
    ("classifier.1",),
)
_REGNET = (
    {"stem": "stem"} | _number([f"trunk_output.block{number}" for number in (1, 2, 3, 4)]),
    "avgpool FLATTEN",
    ("fc",),
)
# In Swin and ConvNeXt a stage begins with the layer that halves its map, as in their papers.
_HALVED = ["features.1", "features.2 features.3", "features.4 features.5", "features.6 features.7"]
_SWIN = ({"stem": "features.0"} | _number([*_HALVED[:3], f"{_HALVED[3]} norm"]), "permute avgpool flatten", ("head",))
_CONVNEXT = (
    {"stem": "features.0"} | _number([*_HALVED[:3], f"{_HALVED[3]} avgpool classifier.0 classifier.1"]),
    "",
    ("classifier.2",),
)
_MAXVIT = (
    {"stem": "stem"} | _number([f"blocks.{index}" for index in range(4)]) | {"fc": "classifier[0:5]"},
    "",
    ("classifier.5",),
)

_KRIZHEVSKY = "Krizhevsky, One weird trick, arXiv:1404.5997 (first: NIPS 2012)"
_SZEGEDY_2014 = "Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842"
_SZEGEDY_2015 = "Szegedy et al., Rethinking Inception, arXiv:1512.00567"
_HOWARD = "Howard et al., arXiv:1905.02244"
_XIE = "Xie et al., Aggregated Transformations, arXiv:1611.05431"
_LIU_2020 = "Liu, Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog (network: arXiv:1905.11946)"
_RADOSAVOVIC = "Radosavovic et al., Designing Network Design Spaces, arXiv:2003.13678"
_DOSOVITSKIY = "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv:2010.11929"
FAMILIES = {
    family.name: family
    for family in (
        Family("AlexNet", "alexnet", 2014, _KRIZHEVSKY, _ALEXNET),
        Family("VGG", r"vgg\d+(_bn)?", 2014, "Simonyan and Zisserman, arXiv:1409.1556", _lay_out_vgg),
        Family("GoogLeNet", "googlenet", 2014, _SZEGEDY_2014, _GOOGLENET),
        Family("Inception", "inception_v3", 2015, _SZEGEDY_2015, _INCEPTION),
        Family("ResNet", r"resnet\d+", 2015, "He et al., Deep Residual Learning, arXiv:1512.03385", _RESNET),
        Family("SqueezeNet", r"squeezenet1_[01]", 2016, "Iandola et al., arXiv:1602.07360", _lay_out_squeezenet),
        Family("Wide ResNet", r"wide_resnet\d+_2", 2016, "Zagoruyko and Komodakis, arXiv:1605.07146", _RESNET),
        Family("DenseNet", r"densenet\d+", 2016, "Huang et al., arXiv:1608.06993", _DENSENET),
        Family("thin ResNet", "open_nsfw", 2015, "He et al., arXiv:1512.03385; half the channels", _THIN_RESNET),
        Family("ResNeXt", r"resnext\d+_\d+x\d+d", 2016, _XIE, _RESNET),
        Family("MobileNetV2", "mobilenet_v2", 2018, "Sandler et al., arXiv:1801.04381", _MOBILENET_V2),
        Family("ShuffleNetV2", r"shufflenet_v2_x\d_\d", 2018, "Ma et al., arXiv:1807.11164", _SHUFFLENET),
        Family("MNASNet", r"mnasnet\d_\d+", 2018, "Tan et al., arXiv:1807.11626", _MNASNET),
        Family("MobileNetV3", "mobilenet_v3_(large|small)", 2019, _HOWARD, _lay_out_mobilenet_v3),
        Family("EfficientNet", r"efficientnet_b\d", 2019, "Tan and Le, arXiv:1905.11946", _lay_out_efficientnet),
        Family("EfficientNet-Lite", r"efficientnet_lite\d", 2020, _LIU_2020, _lay_out_efficientnet_lite),
        Family("RegNet", r"regnet_[xy]_.+", 2020, _RADOSAVOVIC, _REGNET),
        Family("ViT", r"vit_[blh]_\d+", 2020, _DOSOVITSKIY, _lay_out_vit, fixed_size=True),
        Family("PP-LCNet", "ppocr_rec", 2021, "Cui et al., arXiv:2109.15099; version 3", _LCNET),
        Family("Swin", "swin_[tsb]", 2021, "Liu et al., Swin Transformer, arXiv:2103.14030", _SWIN),
        Family("EfficientNetV2", "efficientnet_v2_[sml]", 2021, "Tan and Le, arXiv:2104.00298", _lay_out_efficientnet),
        Family("SwinV2", "swin_v2_[tsb]", 2021, "Liu et al., Swin Transformer V2, arXiv:2111.09883", _SWIN),
        Family("ConvNeXt", "convnext_(tiny|small|base|large)", 2022, "Liu et al., arXiv:2201.03545", _CONVNEXT),
        Family("MaxViT", "maxvit_t", 2022, "Tu et al., arXiv:2204.01697", _MAXVIT, fixed_size=True),
    )
}
