"""Predictions of a pretrained network's own classes, from the last layer in its weights file, and scores by them."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

import tlkit as tl
from tlkit.arguments import check_probabilities
from tlkit.features.arrays import check_labels
from tlkit.images.imageset import ImageSet


class NoClassifierError(ValueError):
    """A network whose own classifier is missing or isn't one linear layer on its features."""


def predict_source(
    backbone: "tl.Backbone | str", images: ImageSet, *, engine: str = "auto", cache: bool = True, progress: bool = True
) -> np.ndarray:
    """Predict the classes that a network was pretrained on.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone or a name for `load_backbone`. Predictions are worse at another image size than that of its weights.
    images : ImageSet
        Pictures to predict.
    engine, cache, progress : str, bool and bool
        As in `extract_features`.

    Returns
    -------
    (n, n_source_classes) float64 array
        Probabilities.

    Raises
    ------
    NoClassifierError
        A ValueError: the weights have no classifier, or the network doesn't end with one linear layer.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")[:3]
    >>> predict_source(tl.load_backbone("efficientnet_lite0", image_size_px=32), images, progress=False).shape
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
        wanted = f"one linear layer on its {backbone.n_features} features"
        advice = "score_logme, score_h and score_knn need no classifier"
        raise NoClassifierError(f"backbone: {backbone.name} doesn't end with {wanted}; {advice}")
    tensors, _ = read_weights(path, entries[0] if entries else None)
    allow = backbone.provenance.get("allowed", ())
    state, _, _ = fit_to_network(tensors, network, removed, path, allow, published=True)
    weight, bias = state[f"{last[0]}.weight"], state[f"{last[0]}.bias"]
    if weight.is_meta or bias.is_meta:
        raise NoClassifierError(f"backbone: {path} holds no classifier of {backbone.name}; take the published weights")
    return weight.double().numpy(), bias.double().numpy()


def score_leep(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Measure LEEP: the mean log-likelihood of the labels, predicted from source class probabilities.

    Parameters
    ----------
    probabilities, labels : (n, n_source_classes) array_like and (n,) int or str array_like
        Predictions, for example from `predict_source`, and labels; TypeError or ValueError if they don't match.

    Returns
    -------
    float
        At most 0 nats. See Nguyen et al., 2020. LEEP: a new measure to evaluate transferability.

    Examples
    --------
    >>> score_leep([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], ["bird", "bird", "bug"])
    0.0
    """
    probabilities = check_probabilities(probabilities)
    labels, n_classes = check_labels(labels, n_rows=len(probabilities))
    joint = np.eye(n_classes)[labels].T @ probabilities / len(labels)  # (n_classes, n_source_classes)
    sums = joint.sum(axis=0)
    conditional = joint / np.where(sums > 0, sums, 1)  # a source class without any probability predicts nothing
    return float(np.mean(np.log(np.sum(conditional[labels] * probabilities, axis=1))))


def score_nce(source_labels: ArrayLike, labels: ArrayLike) -> float:
    """Measure the negative conditional entropy of the labels, given each picture's source class.

    Parameters
    ----------
    source_labels, labels : (n,) int or str array_like
        Predicted source classes and labels; TypeError or ValueError if they don't match.

    Returns
    -------
    float
        At most 0 nats. See Tran et al., 2019. Transferability and hardness of supervised classification tasks.

    Examples
    --------
    >>> score_nce([7, 7, 8, 8], ["bird", "bird", "bug", "bug"])
    0.0
    """
    source, n_source = check_labels(source_labels, "source_labels")
    labels, n_classes = check_labels(labels, n_rows=len(source))
    joint = np.zeros((n_source, n_classes))
    np.add.at(joint, (source, labels), 1 / len(labels))
    conditional = joint / joint.sum(axis=1, keepdims=True)
    return float(np.sum(joint * np.log(np.where(joint > 0, conditional, 1))))
