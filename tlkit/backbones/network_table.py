"""The networks that can be loaded by name, as one table. Without torch."""

import pandas as pd

from tlkit.backbones.networks import find_entry, list_entries
from tlkit.backbones.weights.weight_files import is_offline

COLUMNS = (
    *("name", "weights", "family", "year", "n_parameters", "n_flops", "n_features", "image_size_px"),
    *("pretrained_on", "kind", "accuracy", "accuracy_source", "licence", "offline"),
)
_WHOLE_NUMBERS = {name: "Int64" for name in ("year", "n_parameters", "n_flops", "n_features", "image_size_px")}


def table(pattern="*", *, all_weights=False):
    """Return a table of the networks that `load_backbone` knows, a row a network, in the catalogue's order.

    Arguments
    ---------
    pattern: str
        Of names, as in "resnet*". Those of timm are listed where it begins with "timm:".
    all_weights: bool
        A row for each set of weights of a network instead of one for its default set.

    Returns a DataFrame with the columns name, weights (the tag), family, year, n_parameters (without the classifier),
    n_flops (2 × multiply-adds, one picture of image_size_px), n_features, image_size_px, pretrained_on, kind
    ("general", "domain" or "task"), accuracy (published top-1, fraction), accuracy_source, licence (of the weights,
    "unknown" where none is stated) and offline (whether the weights are on this machine). What
    isn't known is missing (NA).

    >>> row = table("efficientnet_lite0").iloc[0]
    >>> row["name"], int(row.n_features), bool(row.offline)
    ('efficientnet_lite0', 1280, True)
    """
    entries = list_entries(pattern)
    if not all_weights:
        entries = [entry for entry in entries if entry.weights == find_entry(entry.name).weights]
    rows = [
        {column: getattr(entry, column) for column in COLUMNS if column not in ("image_size_px", "offline")}
        | {"image_size_px": entry.recipe.crop_size_px, "offline": is_offline(entry)}
        for entry in entries
    ]
    types = _WHOLE_NUMBERS | {"accuracy": "Float64", "offline": "bool"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(types)
