"""`table`: the networks that can be loaded by name, as one table. Without torch."""

import fnmatch
import importlib

import pandas as pd

from tlkit.backbones.networks import TIMM, find_entry, import_timm_networks, list_entries
from tlkit.backbones.weights.weight_files import is_offline

COLUMNS = (
    *("name", "weights", "family", "year", "n_parameters", "n_flops", "n_features", "image_size_px"),
    *("pretrained_on", "kind", "accuracy", "accuracy_source", "licence", "offline"),
)
_WHOLE_NUMBERS = {name: "Int64" for name in ("year", "n_parameters", "n_flops", "n_features", "image_size_px")}


def table(pattern: str = "*", *, all_weights: bool = False, texts: bool = False) -> pd.DataFrame:
    """List the networks that `load_backbone` knows.

    Parameters
    ----------
    pattern : str
        Pattern of names, for example "resnet*". It begins with "timm:" for timm's networks.
    all_weights : bool
        If True, one row per set of weights; if False, one row per network with its default set.
    texts : bool
        If True, list the text encoders instead of the networks for pictures.

    Returns
    -------
    pandas.DataFrame
        One row per network, in the catalogue's order. A value that isn't known is missing (NA). Columns:

        - name, weights (str): name for `load_backbone`, and tag of the set of weights.
        - family (str), year (Int64): family of networks, and year of its paper.
        - n_parameters (Int64): parameters without the classifier.
        - n_flops (Int64): operations for one picture of image_size_px, 2 per multiply-add.
        - n_features (Int64): features per picture or text.
        - image_size_px (Int64): height and width of the pictures, in pixels.
        - pretrained_on (str): data that the weights were trained on.
        - kind (str): "general", "domain" or "task", for pictures of everything, of one domain or of the very task.
        - accuracy (Float64), accuracy_source (str): published top-1 accuracy on ImageNet-1k, 0 to 1, and its address.
        - licence (str): licence of the weights, "unknown" if none is stated.
        - offline (bool): whether the weights are on this machine.

    Examples
    --------
    >>> row = table("efficientnet_lite0").iloc[0]
    >>> row["name"], int(row.n_features), bool(row.offline)
    ('efficientnet_lite0', 1280, True)
    >>> table(texts=True)[["name", "n_features", "licence"]].values.tolist()
    [['minilm', 384, 'Apache-2.0'], ['use_multilingual', 512, 'Apache-2.0']]
    """
    if texts:
        known = importlib.import_module("tlkit.backbones.text_entries")
        entries = [known.make_text_entry(name) for name in fnmatch.filter(known.FACTS, pattern)]
    else:
        entries = list_entries(pattern)
    if pattern.startswith(TIMM):
        entries = import_timm_networks().add_costs(entries)
    if not all_weights:
        entries = [entry for entry in entries if entry.weights == find_entry(entry.name).weights]
    rows = [
        {column: getattr(entry, column) for column in COLUMNS if column not in ("image_size_px", "offline")}
        | {"image_size_px": entry.recipe and entry.recipe.crop_size_px, "offline": is_offline(entry)}
        for entry in entries
    ]
    types = _WHOLE_NUMBERS | {"accuracy": "Float64", "offline": "bool"}
    return pd.DataFrame(rows, columns=COLUMNS).astype(types)
