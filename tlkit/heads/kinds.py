"""`fit_head`: one call for every kind of head."""

import dataclasses
import importlib
import inspect
from typing import Any

import numpy as np

from tlkit.arguments import check_count, check_finite, check_known, suggest
from tlkit.heads.head import Head
from tlkit.heads.numerics import pool

# A new kind of head is a module of this folder, an entry here, and a line in the docstring of `fit_head`. The module is
# imported when the kind is used. Each function takes checked features and its settings, and "seed" if it draws.
_FITTERS = {
    "logistic": ("logistic", "fit_logistic"),
    "ridge": ("ridge", "fit_ridge"),
    "knn": ("neighbors", "fit_neighbors"),
    "prototype": ("ridge", "fit_prototypes"),
    "cosine": ("cosine", "fit_cosine"),
    "mlp": ("perceptron", "fit_perceptron"),
    "conv": ("convolutional", "fit_convolutional"),
}
KINDS: tuple[str, ...] = tuple(_FITTERS)
MAP_KINDS = ("conv",)  # fitted on feature maps; all others take the mean over each map


def fit_head(features: Any, kind: str = "logistic", *, seed: int = 0, **settings: Any) -> Head:
    """Fit a head on features.

    The same call gives the same bits on one machine.

    Parameters
    ----------
    features : Features
        Pooled features or maps. All kinds but "conv" take the mean over each map. If pictures have several labels,
        "logistic" fits one regression per label, and probabilities of a picture don't sum to 1.
    kind : str
        One of `KINDS`, with these settings:

        - "logistic": multinomial logistic regression, solved to convergence (the linear probe).
          l2_penalty=10.0, or "cross-validated" on held-out groups; balance=None, label_smoothing=0.0.
        - "ridge": least squares. l2_penalty=10.0, or "leave-one-out"; balance=None, label_smoothing=0.0.
        - "knn": vote of the nearest neighbours by cosine. n_neighbors=5.
        - "prototype": nearest class mean [1]_. sharpness=10.0.
        - "cosine": cosine to trained directions [2]_ [3]_. sharpness=10.0.
        - "mlp": perceptron with one hidden layer. n_hidden=64, l2_penalty=1.0, n_iterations=200.
        - "conv": convolution on maps, mean over the map, linear layer; needs torch. n_channels=64, kernel_size=1,
          n_epochs=60, learning_rate=1e-3, weight_decay=0.01, batch_size=32.
    seed : int
        Seed of the folds ("cross-validated"), the initial weights ("mlp", "conv") and the order of pictures ("conv").
    **settings : Any
        Settings of the kind, as listed above. `l2_penalty` is the weight of the L2 penalty, on features that are
        scaled to an overall standard deviation of 1. `balance="weights"` makes all classes count the same.
        `label_smoothing` is the share of each label that is spread evenly over the classes with pictures. `sharpness`
        multiplies the scores: if it is larger, the probabilities are more confident.

    Returns
    -------
    Head
        The fitted head.

    Raises
    ------
    TypeError, ValueError
        If the features have fewer than two classes or contain NaN, or the kind is unknown or lacks a setting.

    Notes
    -----
    Our departures from the papers, since the features are frozen: prototypes divide squared distances by their mean,
    which changes the confidence but not the predicted class. Cosine directions start at the class means and are solved
    to convergence, with a fixed `sharpness`.

    References
    ----------
    .. [1] Snell et al. (2017), Prototypical Networks for Few-shot Learning, arXiv:1703.05175.
    .. [2] Gidaris & Komodakis (2018), Dynamic Few-Shot Visual Learning without Forgetting, arXiv:1804.09458.
    .. [3] Chen et al. (2019), A Closer Look at Few-shot Classification, arXiv:1904.04232 ("Baseline++").

    Examples
    --------
    >>> values = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.2]], dtype=np.float32)
    >>> names = np.array(["a", "b", "c", "d"])
    >>> features = tl.Features(values, np.array([0, 0, 1, 1]), ["bird", "bug"], names, names, {})
    >>> fit_head(features).predict([[0.0, 0.8]]).argmax(axis=1)
    array([0])
    >>> fit_head(features, "prototype", sharpness=1)
    Head(prototype, 2 classes, sharpness=1.0)
    """
    fit = check_settings(kind, settings)
    seed = check_count("seed", seed, 0)
    if "seed" in inspect.signature(fit).parameters:
        settings["seed"] = seed
    if np.ndim(features.labels) == 2:
        return importlib.import_module("tlkit.heads.multilabel").fit_labels(features, kind, **settings)
    present = np.unique(features.labels)
    if len(present) < 2:
        raise ValueError(f"features: {len(features)} pictures of {len(present)} class, expected two classes or more")
    check_finite("features", features.values)
    if kind not in MAP_KINDS:
        features = dataclasses.replace(features, values=pool(features.values))
    if settings.get("balance") is not None:
        check_known("balance", [settings["balance"]], ["weights"])
    of_labels = {name: settings[name] for name in ("balance", "label_smoothing") if settings.get(name)}
    if of_labels and isinstance(settings.get("l2_penalty"), str):
        name, value = next(iter(of_labels.items()))
        penalty = settings["l2_penalty"]
        raise ValueError(f"{name}: {value!r}, but l2_penalty={penalty!r} is chosen without it: give a number")
    head = fit(features, **settings)
    head.settings.update(of_labels)
    return head


def check_settings(kind, settings):
    """Return the function that fits a kind of head; ValueError if it is unknown, TypeError if it lacks a setting."""
    check_known("kind", [kind], KINDS)
    module, name = _FITTERS[kind]
    fit = getattr(importlib.import_module(f"tlkit.heads.{module}"), name)
    known = [name for name in inspect.signature(fit).parameters if name not in ("features", "seed")]
    for name in settings:
        if name not in known:
            raise TypeError(f"{name}: no setting of a {kind!r} head; {suggest(name, known)}")
    return fit
