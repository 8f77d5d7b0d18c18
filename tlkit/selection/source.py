"""What a pretrained network says of its own classes: features, and the last layer that its weights file still has."""

from pathlib import Path

import numpy as np


class NoClassifierError(ValueError):
    """A network whose own classifier isn't at hand, or is no linear layer on its features."""


def predict_source(backbone, images, *, engine="auto", cache=True, progress=True):
    """Return the probabilities that a pretrained network gives the classes that it was pretrained on.

    A backbone has no classifier; it is read again from the file of the weights and put on the backbone's features, so
    that nothing runs forward which isn't kept already.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
        Of a size other than its weights' it says less: the classifier never saw such features.
    images: ImageSet
    engine, cache, progress: as in `extract_features`

    Returns (n, n_source_classes) float64, as `score_leep` takes it; its `argmax(axis=1)` is what `score_nce` takes.

    Raises NoClassifierError (a ValueError) where the weights are random, their file has no classifier, or the network
    has no single linear layer at its end, as SqueezeNet.

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
    """Return (n, n_source_classes) float64 probabilities of (n, d) features, by `load_classifier`'s (weight, bias)."""
    from scipy.special import softmax

    weight, bias = classifier
    return softmax(values.astype(np.float64) @ weight.T + bias, axis=1)


def load_classifier(backbone):
    """Read the classifier that belongs to a Backbone's weights.

    Returns (weight, bias): (n_source_classes, n_features) and (n_source_classes,) float64. Raises NoClassifierError.
    """
    import torch
    from torch import nn

    from tlkit.backbones.networks import find_entry, list_entries
    from tlkit.backbones.stages import build_network
    from tlkit.backbones.weights.fit import fit_to_network
    from tlkit.backbones.weights.read import read_weights

    path = backbone.provenance.get("file")
    if path is None:
        raise NoClassifierError(
            f"backbone: {backbone.name} has {backbone.provenance['source']}, which were pretrained on nothing; load it "
            "with weights='pretrained', or pass the probabilities of any classifier trained on another domain"
        )
    entries = [entry for entry in list_entries(backbone.name) if entry.weights_file == Path(path).name]
    # Without values: only the names and shapes of the network's tensors are needed here.
    with torch.device("meta"):
        network, _, _, left_out = build_network(backbone.name, (entries or [find_entry(backbone.name)])[0])
    last = [layer for layer in left_out if isinstance(network.get_submodule(layer), nn.Linear)]
    if len(last) != 1 or network.get_submodule(last[0]).in_features != backbone.n_features:
        raise NoClassifierError(
            f"backbone: {backbone.name} doesn't end with one linear layer on its {backbone.n_features} features; "
            "score_logme, score_h and score_knn need no classifier"
        )
    tensors, _ = read_weights(path, entries[0] if entries else None)
    allow = backbone.provenance.get("allowed", ())
    state, _, _ = fit_to_network(tensors, network, left_out, path, allow, published=True)
    weight, bias = state[f"{last[0]}.weight"], state[f"{last[0]}.bias"]
    if weight.is_meta or bias.is_meta:
        raise NoClassifierError(f"backbone: {path} holds no classifier of {backbone.name}; take the published weights")
    return weight.double().numpy(), bias.double().numpy()
