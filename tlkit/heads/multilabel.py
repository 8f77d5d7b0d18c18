"""The linear probe for several labels per picture: one logistic regression per label, on the same features."""

import dataclasses

import numpy as np
from scipy.special import expit

from tlkit.arguments import check_finite, check_known, check_number
from tlkit.heads.head import ABSENT_SCORE, LinearHead
from tlkit.heads.logistic import L2_PENALTY, solve_logistic
from tlkit.heads.numerics import measure_scale, pool, weigh_classes


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MultiLabelHead(LinearHead):
    """A head that predicts each label on its own; the probabilities of a picture don't sum to 1."""

    _link = staticmethod(expit)

    def score(self, features):
        """Return the mean average precision on `Features`, over the labels that some of their pictures have."""
        from sklearn.metrics import average_precision_score

        if list(features.classes) != self.classes or np.ndim(features.labels) != 2:
            given = ", ".join(features.classes)
            raise ValueError(f"features: of {given}, expected pictures with the labels {', '.join(self.classes)}")
        known = features.labels.any(axis=0)
        probabilities = self.predict(features.values)
        return float(average_precision_score(features.labels[:, known], probabilities[:, known], average="macro"))


def fit_labels(features, kind, *, l2_penalty=L2_PENALTY, balance=None, label_smoothing=0.0, **others):
    """Fit a logistic regression per label of `Features` with a table of labels; the settings are those of one."""
    if kind != "logistic":
        raise ValueError(f"kind: {kind!r}, but several labels per picture are only fitted by 'logistic'")
    check_finite("features", features.values)
    l2_penalty = check_number("l2_penalty", l2_penalty, above=0)
    label_smoothing = check_number("label_smoothing", label_smoothing, at_least=0, below=1)
    if balance is not None:
        check_known("balance", [balance], ["weights"])
    labels, values = features.labels, pool(features.values)
    if not len(labels) or (labels == labels[0]).all():
        raise ValueError(f"features: {len(labels)} pictures with the same labels, expected a label that only some have")
    scale = measure_scale(values)
    centre = values.mean(axis=0, dtype=np.float64)
    inputs, basis = (values - centre) / scale, None
    if len(inputs) < inputs.shape[1]:  # the space that the pictures span, computed once for all labels
        basis, coordinates = np.linalg.qr(inputs.T)
        inputs = coordinates.T
    present = np.flatnonzero(labels.any(axis=0))
    # Without a picture that lacks a label, the label is always predicted.
    weight, bias = np.zeros((len(present), inputs.shape[1])), np.full(len(present), -ABSENT_SCORE)
    for row, label in enumerate(present):
        column = labels[:, label]
        if column.all():
            continue
        weights = weigh_classes(column, 2)[column] if balance else None
        pair, biases = solve_logistic(inputs, column, l2_penalty=l2_penalty, weights=weights, smoothing=label_smoothing)
        weight[row], bias[row] = pair[1] - pair[0], biases[1] - biases[0]
    weight = (weight if basis is None else weight @ basis.T) / scale
    settings = {"l2_penalty": l2_penalty} | ({"balance": balance} if balance else {})
    settings |= {"label_smoothing": label_smoothing} if label_smoothing else {}
    head = "logistic", list(features.classes), present, values.shape[1], settings
    return MultiLabelHead(*head, weight, bias - weight @ centre)
