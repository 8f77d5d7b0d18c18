"""The networks that can be loaded by name, and where their weights come from. Without torch.

What is computed or published of each network and each set of its weights stands in `data/networks.csv`, which
`python -m tlkit.backbones.network_table_script` writes; what is kept by hand stands in `tlkit.backbones.families`.
"""

import csv
import fnmatch
import importlib.resources

from tlkit.arguments import suggest
from tlkit.backbones.entry import TIMM, Entry
from tlkit.backbones.families import find_family, find_pretraining
from tlkit.backbones.recipe import Recipe

TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "networks.csv"


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
