"""Which method to take when no target label may say so: scores, and their regret. Without torch.

Higher is better in all of them. They disagree with each other more than methods do (Musgrave, Belongie and Lim 2022,
Benchmarking validation methods for unsupervised domain adaptation), so take each with its `regret` on pairs of domains
whose labels are known.
"""

import numpy as np

from tlkit.arguments import check_labels, check_positive, check_probabilities


def score_source_accuracy(probabilities, labels):
    """Return the balanced accuracy on pictures of the source that were held out: a method that breaks these is broken.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int

    Returns a float, 0 to 1.

    >>> score_source_accuracy(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), [0, 0, 1])
    0.5
    """
    probabilities, labels = _check_pair(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def score_importance_weighted(probabilities, labels, weights):
    """Return the accuracy on held-out pictures of the source, each counting as much as it looks like the target.

    Sugiyama, Krauledat and Müller 2007 (Covariate shift adaptation by importance weighted cross validation).

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int
    weights: (n,)
        As `weigh_source` returns them.

    Returns a float, 0 to 1.

    >>> score_importance_weighted(np.array([[0.9, 0.1], [0.6, 0.4]]), [0, 1], [0.5, 1.5])
    0.25
    """
    probabilities, labels = _check_pair(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    return float(np.average(probabilities.argmax(axis=1) == labels, weights=weights))


def score_deep_embedded(probabilities, labels, weights):
    """Return minus the cross-entropy on held-out pictures of the source, weighted, its variance reduced.

    You, Wang, Long and Jordan 2019 (Towards accurate model selection in deep unsupervised domain adaptation): the mean
    of the weights is known to be 1, and how far it is from that tells how far off the weighted loss may be.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int
    weights: (n,)
        As `weigh_source` returns them, of a larger set that these pictures are part of: where their own mean is exactly
        1, there is nothing to correct.

    Returns a float, 0 at best for even weights.

    >>> even = np.ones(4)
    >>> round(score_deep_embedded(np.tile([0.5, 0.5], (4, 1)), [0, 1, 0, 1], even), 3)
    -0.693
    """
    probabilities, labels = _check_pair(probabilities, labels)
    weights = _check_weights(weights, len(labels))
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1 - 1e-15)
    weighted = -weights * np.log(chosen)
    if len(labels) < 2 or np.ptp(weights) == 0:
        return -float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / np.var(weights, ddof=1)
    return -float(weighted.mean() + eta * weights.mean() - eta)


def score_entropy(probabilities):
    """Return minus the mean entropy of what is said of the target's pictures, in nats: a sure head is a better one.

    Morerio, Cavazza and Murino 2018 (Minimal-entropy correlation alignment for unsupervised deep domain adaptation). A
    head that puts all pictures into one class scores best.

    Arguments
    ---------
    probabilities: (m, n_classes)

    Returns a float, at most 0.

    >>> score_entropy(np.array([[1.0, 0.0], [0.0, 1.0]])), round(score_entropy(np.array([[0.5, 0.5]])), 3)
    (-0.0, -0.693)
    """
    return -float(_measure_entropy(check_probabilities(probabilities)).mean())


def score_information_maximisation(probabilities):
    """Return the entropy of the mean prediction less the mean entropy: sure of each picture, and not of one class only.

    Bridle, Heading and MacKay 1991 (Unsupervised classifiers, mutual information and phantom targets); as a validator
    Musgrave et al. 2022.

    Arguments
    ---------
    probabilities: (m, n_classes)

    Returns a float, 0 to log(n_classes), in nats: the mutual information of picture and class.

    >>> round(score_information_maximisation(np.array([[1.0, 0.0], [0.0, 1.0]])), 3)
    0.693
    >>> score_information_maximisation(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    """
    probabilities = check_probabilities(probabilities)
    whole = _measure_entropy(probabilities.mean(axis=0, keepdims=True))[0]
    return float(whole - _measure_entropy(probabilities).mean())


def score_bnm(probabilities):
    """Return the nuclear norm of the predictions by the most that it can be: sure, and of many classes.

    Cui et al. 2020 (Towards discriminability and diversity: batch nuclear-norm maximization under label insufficient
    situations), who divide by the number of pictures; we divide by √(m · min(m, n_classes)), so that 1 is the most.

    Arguments
    ---------
    probabilities: (m, n_classes)

    Returns a float, above 0 and up to 1.

    >>> round(score_bnm(np.eye(3)), 3), round(score_bnm(np.eye(3)[[0, 0, 0]]), 3)
    (1.0, 0.577)
    """
    probabilities = check_probabilities(probabilities)
    n, n_classes = probabilities.shape
    return float(np.linalg.svd(probabilities, compute_uv=False).sum() / np.sqrt(n * min(n, n_classes)))


def score_norm(probabilities, power=4):
    """Return the mean power of the predictions, its root taken: as a norm, so that sure ones count most.

    Xie et al. 2024 (MaNo: exploiting matrix norm for unsupervised accuracy estimation under distribution shifts), whose
    other way to make probabilities out of scores we leave out, as skada does where there is no deep network. Like the
    entropy it prefers a head that puts all pictures into one class.

    Arguments
    ---------
    probabilities: (m, n_classes)
    power: float

    Returns a float, n_classes ** (-1 / power) at most, where all are sure.

    >>> round(score_norm(np.eye(4)), 3), round(score_norm(np.full((4, 4), 0.25)), 3)
    (0.707, 0.25)
    """
    return float(np.mean(check_probabilities(probabilities) ** check_positive("power", power)) ** (1 / power))


def score_neighbourhood_density(probabilities, temperature=0.05):
    """Return the mean entropy of the similarities of each picture's prediction to the others'.

    Saito et al. 2021 (Tune it the right way: unsupervised validation of domain adaptation via soft neighborhood
    density): where pictures lie in dense clusters of like predictions, each has many equal neighbours. Computed as
    skada does, with a picture's similarity to itself negated rather than left out.

    Arguments
    ---------
    probabilities: (m, n_classes)
    temperature: float

    Returns a float, 0 to about log(m - 1), in nats.

    >>> random = np.random.default_rng(0)
    >>> clustered = np.eye(3)[np.arange(30) % 3]
    >>> spread = random.dirichlet(np.ones(3), 30)
    >>> score_neighbourhood_density(clustered) > score_neighbourhood_density(np.eye(30))
    False
    """
    probabilities = check_probabilities(probabilities)
    directions = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    similarities = directions @ directions.T / temperature
    np.fill_diagonal(similarities, -np.diag(similarities))
    shares = np.exp(similarities - similarities.max(axis=1, keepdims=True))
    return float(_measure_entropy(shares / shares.sum(axis=1, keepdims=True)).mean())


def regret(scores, accuracies):
    """Return what it costs to choose by a score: the best accuracy less that of the best-scored.

    Arguments
    ---------
    scores: (k,) float
        Of k methods or settings. Where several share the highest, their accuracies count equally.
    accuracies: (k,) float

    Returns a float, at least 0.

    >>> round(regret([0.9, 0.7, 0.1], [0.5, 0.6, 0.2]), 3)
    0.1
    """
    scores, accuracies = np.asarray(scores, float), np.asarray(accuracies, float)
    if scores.ndim != 1 or scores.shape != accuracies.shape or not len(scores):
        raise ValueError(f"scores: shape {scores.shape} with accuracies {accuracies.shape}, expected (k,) of both")
    if not np.isfinite(scores).all():
        raise ValueError("scores: some are NaN or infinite, so that none is the highest: leave these out of both")
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _measure_entropy(probabilities):
    """Return the entropy of each row in nats; 0 log 0 is 0."""
    logarithms = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return 0.0 - (probabilities * logarithms).sum(axis=1)


def _check_pair(probabilities, labels):
    probabilities = check_probabilities(probabilities)
    check_labels(labels, n_rows=len(probabilities))
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"labels: expected whole numbers from 0 to {probabilities.shape[1] - 1}, places of classes")
    return probabilities, labels


def _check_weights(weights, n_rows):
    weights = np.asarray(weights, float)
    if weights.shape != (n_rows,) or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"weights: expected ({n_rows},) numbers of at least 0, not all of them 0, one a picture")
    return weights
