"""Predictions of a pretrained network's own classes, from its features and the last layer in its weights file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkit.images.imageset import ImageSet

if TYPE_CHECKING:
    from tlkit.backbones.backbone import Backbone


class NoClassifierError(ValueError):
    """A network whose own classifier is missing or isn't one linear layer on its features."""


def predict_source(
    backbone: Backbone | str, images: ImageSet, *, engine: str = "auto", cache: bool = True, progress: bool = True
) -> np.ndarray:
    """Predict the classes that a network was pretrained on.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone or a name for `load_backbone`. If its image size isn't that of its weights, predictions are worse:
        the classifier never saw such features.
    images : ImageSet
        Pictures to predict.
    engine : str, default "auto"
        As in `extract_features`, as are `cache` and `progress`.
    cache : bool, default True
        Whether to keep the features.
    progress : bool, default True
        Whether to show a progress bar.

    Returns
    -------
    (n, n_source_classes) float64 array
        Probabilities for `score_leep`; their `argmax(axis=1)` are the source labels for `score_nce`.

    Raises
    ------
    NoClassifierError
        If the weights are random, their file has no classifier, or the network doesn't end with a single linear layer,
        as SqueezeNet. It is a ValueError.

    Notes
    -----
    A backbone has no classifier. It is read from the weights file again and applied to the backbone's features, which
    may already be cached.

    Examples
    --------
    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart")[:3]
    >>> backbone = tl.load_backbone("efficientnet_lite0", image_size_px=32)
    >>> tl.selection.predict_source(backbone, images, progress=False).shape
    (3, 1000)
    """
    from tlkit.features.extract import extract_features

    if isinstance(backbone, str):
        from tlkit.backbones.loader import load_backbone

        backbone = load_backbone(backbone)
    # Before the features, which take longer and may not be needed.
    classifier = load_classifier(backbone)
    values = extract_features(backbone, images, engine, cache=cache, progress=progress).values
    return apply_classifier(classifier, values)


def apply_classifier(classifier, values):
    """Return (n, n_source_classes) float64 probabilities of (n, d) features, from `load_classifier`'s result."""
    from scipy.special import softmax

    weight, bias = classifier
    return softmax(values.astype(np.float64) @ weight.T + bias, axis=1)


def load_classifier(backbone):
    """Return the float64 weight (n_source_classes, d) and bias (n_source_classes,) from a Backbone's weights file."""
    import torch
    from torch import nn

    from tlkit.backbones.networks import find_entry, list_entries
    from tlkit.backbones.stages import build_network
    from tlkit.backbones.weights.fit import fit_to_network
    from tlkit.backbones.weights.read import read_weights
    from tlkit.backbones.weights.weight_files import find_file

    path, entries = backbone.provenance.get("file"), []
    if path is not None:
        entries = [entry for entry in list_entries(backbone.name) if entry.weights_file == Path(path).name]
        # A saved run keeps the name of the file, not its folder.
        path = path if Path(path).is_file() or not entries else find_file(entries[0])
    if path is None or not Path(path).is_file():
        tuned = backbone.provenance.get("tuned", False)
        reason = "no longer fit the classifier of their file" if tuned else "have no file with a classifier here"
        raise NoClassifierError(
            f"backbone: the weights of {backbone.name} ({backbone.provenance['source']}) {reason}; load it with "
            "weights='pretrained', or pass the probabilities of any classifier trained on another domain"
        )
    # On the meta device tensors have no values: only names and shapes are needed here.
    with torch.device("meta"):
        network, _, _, removed = build_network(backbone.name, (entries or [find_entry(backbone.name)])[0])
    last = [layer for layer in removed if isinstance(network.get_submodule(layer), nn.Linear)]
    if len(last) != 1 or network.get_submodule(last[0]).in_features != backbone.n_features:
        raise NoClassifierError(
            f"backbone: {backbone.name} doesn't end with one linear layer on its {backbone.n_features} features; "
            "score_logme, score_h and score_knn need no classifier"
        )
    tensors, _ = read_weights(path, entries[0] if entries else None)
    allow = backbone.provenance.get("allowed", ())
    state, _, _ = fit_to_network(tensors, network, removed, path, allow, published=True)
    weight, bias = state[f"{last[0]}.weight"], state[f"{last[0]}.bias"]
    if weight.is_meta or bias.is_meta:
        raise NoClassifierError(f"backbone: {path} holds no classifier of {backbone.name}; take the published weights")
    return weight.double().numpy(), bias.double().numpy()
