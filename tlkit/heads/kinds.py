"""`fit_head`: one call for every kind of head."""

import dataclasses
import inspect

import numpy as np

from tlkit.arguments import check_count, check_finite, check_known, suggest
from tlkit.heads.convolutional import fit_convolutional
from tlkit.heads.cosine import fit_cosine
from tlkit.heads.logistic import fit_logistic
from tlkit.heads.neighbors import fit_neighbors
from tlkit.heads.numerics import pool
from tlkit.heads.perceptron import fit_perceptron
from tlkit.heads.ridge import fit_prototypes, fit_ridge

_FITTERS = {
    "logistic": fit_logistic,
    "ridge": fit_ridge,
    "knn": fit_neighbors,
    "prototype": fit_prototypes,
    "cosine": fit_cosine,
    "mlp": fit_perceptron,
    "conv": fit_convolutional,
}
KINDS = tuple(_FITTERS)


def fit_head(features, kind="logistic", *, seed=0, **settings):
    """Fit a head on features; the same call gives the same bits on one machine.

    Arguments
    ---------
    features: Features
        Of pooled features, or of maps: all kinds but "conv" take the mean over each map.
    kind: str
        "logistic": multinomial logistic regression, solved to convergence (the linear probe).
            l2_penalty=10.0, or "cross-validated" on groups held out.
        "ridge": least squares on the classes as ±1, in closed form. l2_penalty=10.0, or "leave-one-out".
        "knn": the vote of the nearest neighbours by cosine. n_neighbors=5.
        "prototype": the nearest class mean (Snell et al. 2017). sharpness=10.0.
        "cosine": the cosine to learned directions (Gidaris & Komodakis 2018, Chen et al. 2019). sharpness=10.0.
        "mlp": a perceptron with one hidden layer. n_hidden=64, l2_penalty=1.0, n_iterations=200.
        "conv": a convolution on maps, their mean, a linear layer. n_channels=64, kernel_size=1, n_epochs=60,
            learning_rate=1e-3, weight_decay=0.01, batch_size=32. It needs torch; the others don't.
    seed: int
        Of what a kind draws: folds, first weights, the order of pictures. The others draw nothing.
    settings
        Of that kind, as above; what they mean, and each paper, stands in the kind's module of `tlkit.heads`.

    Returns a `Head`. Raises ValueError for features of one class only, or with NaN, and for an unknown kind; TypeError
    for a setting that isn't of this kind.

    >>> from tlkit.features.features import Features
    >>> values = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.2]], dtype=np.float32)
    >>> names = np.array(["a", "b", "c", "d"])
    >>> features = Features(values, np.array([0, 0, 1, 1]), ["bird", "bug"], names, names, {})
    >>> fit_head(features).predict([[0.0, 0.8]]).argmax(axis=1)
    array([0])
    >>> fit_head(features, "prototype", sharpness=1)
    Head(prototype, 2 classes, sharpness=1.0)
    """
    check_settings(kind, settings)
    fit = _FITTERS[kind]
    seed = check_count("seed", seed, 0)
    if "seed" in inspect.signature(fit).parameters:
        settings["seed"] = seed
    present = np.unique(features.labels)
    if len(present) < 2:
        raise ValueError(f"features: {len(features)} pictures of {len(present)} class, expected two classes or more")
    check_finite("features", features.values)
    if kind != "conv":
        features = dataclasses.replace(features, values=pool(features.values))
    return fit(features, **settings)


def check_settings(kind, settings):
    """Raise ValueError for an unknown kind of head, TypeError for the name of a setting that isn't of this kind."""
    check_known("kind", [kind], KINDS)
    known = [name for name in inspect.signature(_FITTERS[kind]).parameters if name not in ("features", "seed")]
    for name in settings:
        if name not in known:
            raise TypeError(f"{name}: no setting of a {kind!r} head; {suggest(name, known)}")
