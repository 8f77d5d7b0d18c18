"""The nearest prototype: each class is the mean of its pictures."""

import numpy as np

from tlkit.heads.checking import check_positive
from tlkit.heads.linear import LinearHead, centre_scores


def fit_prototypes(features, *, sharpness=10.0):
    """Take the mean of each class; scores are minus the squared distances to them.

    Snell et al. (2017, arXiv:1703.05175). There the network is trained with this head and finds its own unit; here it
    is frozen, so squared distances are divided by their mean from the pictures to the mean of all, times `sharpness`:
    our departure, which changes how sure the head is and never which class is first. As they write, the head is a
    linear layer: what is quadratic in the features is the same for all classes.

    With one or two pictures a class it is misled by features of different lengths; a "cosine" head ignores lengths.

    Arguments
    ---------
    features: Features
        Checked and pooled, as `fit_head` does.
    sharpness: float
        More makes the probabilities surer.

    Returns a `LinearHead`.
    """
    sharpness = check_positive("sharpness", sharpness)
    present, columns = np.unique(features.labels, return_inverse=True)
    centre = features.values.mean(axis=0, dtype=np.float64)
    prototypes = np.stack(
        [features.values[columns == column].mean(axis=0, dtype=np.float64) for column in range(len(present))]
    )
    spread = features.values.var(axis=0, dtype=np.float64).sum() or 1.0
    offsets = prototypes - centre  # distances around the mean have more digits
    weight = 2 * sharpness / spread * offsets
    bias = -sharpness / spread * (offsets**2).sum(axis=1) - weight @ centre
    settings, n_features = {"sharpness": sharpness}, len(centre)
    weight, bias = centre_scores(weight, bias)
    return LinearHead("prototype", list(features.classes), present, n_features, settings, weight, bias)
