"""Scores from what a pretrained network says of its own, the source's, classes. Without torch.

Both need the network with the classifier that it was pretrained with, which a Backbone has no longer;
`tlkit.selection.predict_source` puts it back. Any classifier trained on another domain will do too.
"""

import numpy as np

from tlkit.arguments import check_labels, check_probabilities


def score_leep(probabilities, labels):
    """Return LEEP: the mean log-likelihood of the labels, guessed from the source classes' probabilities.

    Nguyen, Hassner, Seeger and Archambeau 2020 (LEEP: a new measure to evaluate transferability of learned
    representations).

    Arguments
    ---------
    probabilities: (n, n_source_classes)
        What the pretrained network's own classifier says of each picture.
    labels: (n,) int or str

    Returns a float, 0 or less. Raises TypeError or ValueError for what can't be probabilities and labels.

    >>> score_leep([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], ["bird", "bird", "bug", "bug"])
    0.0
    """
    probabilities = check_probabilities(probabilities)
    labels, n_classes = check_labels(labels, n_rows=len(probabilities))
    joint = np.eye(n_classes)[labels].T @ probabilities / len(labels)  # (n_classes, n_source_classes)
    sums = joint.sum(axis=0)
    conditional = joint / np.where(sums > 0, sums, 1)  # a source class that no picture resembles says nothing
    return float(np.mean(np.log(np.sum(conditional[labels] * probabilities, axis=1))))


def score_nce(source_labels, labels):
    """Return the negative conditional entropy of the labels, once the source class of each picture is known.

    Tran, Nguyen and Hassner 2019 (Transferability and hardness of supervised classification tasks); in nats.

    Arguments
    ---------
    source_labels: (n,) int or str
        The source class that the pretrained network's own classifier finds most probable.
    labels: (n,) int or str

    Returns a float, 0 or less. Raises TypeError or ValueError for what can't be labels.

    >>> score_nce([7, 7, 8, 8], ["bird", "bird", "bug", "bug"])
    0.0
    """
    source, n_source = check_labels(source_labels, "source_labels")
    labels, n_classes = check_labels(labels, n_rows=len(source))
    joint = np.zeros((n_source, n_classes))
    np.add.at(joint, (source, labels), 1 / len(labels))
    conditional = joint / joint.sum(axis=1, keepdims=True)
    return float(np.sum(joint * np.log(np.where(joint > 0, conditional, 1))))
