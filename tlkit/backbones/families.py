"""What is known of the families of networks and of what their weights were trained on. Without torch.

Facts that no library states in a form that can be read, kept by hand with where they come from. Whatever can be
computed or read from a library is in the table that `tlkit.backbones.network_table_script` writes.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks.

    Arguments
    ---------
    name: str
    pattern: str
        Regular expression that the whole name of each of its networks matches.
    year: int
        Of the paper's first version.
    paper: str
        The one whose architecture the networks have.
    fixed_size: bool
        Whether a network takes only pictures of the size that it was built for.
    """

    name: str
    pattern: str
    year: int
    paper: str
    fixed_size: bool = False


FAMILIES = {
    family.name: family
    for family in (
        Family("AlexNet", "alexnet", 2014, "Krizhevsky, One weird trick, arXiv:1404.5997 (first: NIPS 2012)"),
        Family("VGG", r"vgg\d+(_bn)?", 2014, "Simonyan and Zisserman, arXiv:1409.1556"),
        Family("GoogLeNet", "googlenet", 2014, "Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842"),
        Family("Inception", "inception_v3", 2015, "Szegedy et al., Rethinking Inception, arXiv:1512.00567"),
        Family("ResNet", r"resnet\d+", 2015, "He et al., Deep Residual Learning, arXiv:1512.03385"),
        Family("SqueezeNet", r"squeezenet1_[01]", 2016, "Iandola et al., arXiv:1602.07360"),
        Family("Wide ResNet", r"wide_resnet\d+_2", 2016, "Zagoruyko and Komodakis, arXiv:1605.07146"),
        Family("DenseNet", r"densenet\d+", 2016, "Huang et al., arXiv:1608.06993"),
        Family("ResNeXt", r"resnext\d+_\d+x\d+d", 2016, "Xie et al., Aggregated Transformations, arXiv:1611.05431"),
        Family("MobileNetV2", "mobilenet_v2", 2018, "Sandler et al., arXiv:1801.04381"),
        Family("ShuffleNetV2", r"shufflenet_v2_x\d_\d", 2018, "Ma et al., arXiv:1807.11164"),
        Family("MNASNet", r"mnasnet\d_\d+", 2018, "Tan et al., arXiv:1807.11626"),
        Family("MobileNetV3", "mobilenet_v3_(large|small)", 2019, "Howard et al., arXiv:1905.02244"),
        Family("EfficientNet", r"efficientnet_b\d", 2019, "Tan and Le, arXiv:1905.11946"),
        Family(
            "EfficientNet-Lite",
            r"efficientnet_lite\d",
            2020,
            "Liu, Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog (network: arXiv:1905.11946)",
        ),
        Family(
            "RegNet", r"regnet_[xy]_.+", 2020, "Radosavovic et al., Designing Network Design Spaces, arXiv:2003.13678"
        ),
        Family(
            "ViT", r"vit_[blh]_\d+", 2020, "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv:2010.11929", True
        ),
        Family("Swin", "swin_[tsb]", 2021, "Liu et al., Swin Transformer, arXiv:2103.14030"),
        Family("EfficientNetV2", "efficientnet_v2_[sml]", 2021, "Tan and Le, arXiv:2104.00298"),
        Family("SwinV2", "swin_v2_[tsb]", 2021, "Liu et al., Swin Transformer V2, arXiv:2111.09883"),
        Family("ConvNeXt", "convnext_(tiny|small|base|large)", 2022, "Liu et al., arXiv:2201.03545"),
        Family("MaxViT", "maxvit_t", 2022, "Tu et al., arXiv:2204.01697", True),
    )
}


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """What weights were trained on.

    Arguments
    ---------
    pretrained_on: str
    kind: "general", "domain" or "task"
        Whether that is pictures of everything, of one domain (such as satellites or skin), or the very task.
    publisher: str
    licence: str
        Of the weights; "unknown" where the publisher states none.
    """

    pretrained_on: str
    kind: str
    publisher: str
    licence: str


def find_family(name):
    """Return the `Family` of a network of torchvision's or an EfficientNet-Lite, by the network's name.

    >>> find_family("resnet18").year
    2015
    """
    return next(family for family in FAMILIES.values() if re.fullmatch(family.pattern, name))


def find_pretraining(name, weights):
    """Return the `Pretraining` of a network's weights.

    torchvision states no licence for its own weights. Those with SWAG in their tag are Singh et al.'s
    (arXiv:2201.08371), trained on 3.6 billion pictures of Instagram with their hashtags, for which torchvision names
    the licence of the SWAG repository, CC BY-NC 4.0. Of them, "LINEAR" keeps the network as it was then and learns
    the classifier alone.

    >>> find_pretraining("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").licence
    'CC-BY-NC-4.0'
    """
    if find_family(name).name == "EfficientNet-Lite":
        publisher = "Google's TPU models, ImageNet-1k, converted by ML Illustrated"
        return Pretraining("ImageNet-1k", "general", publisher, "Apache-2.0")
    if "SWAG" in weights:
        pretrained_on = "Instagram, 3.6 billion pictures with hashtags"
        if "LINEAR" not in weights:
            pretrained_on += ", then ImageNet-1k"
        return Pretraining(pretrained_on, "general", "torchvision, SWAG", "CC-BY-NC-4.0")
    return Pretraining("ImageNet-1k", "general", "torchvision, ImageNet-1k", "unknown")
