"""Heads: what maps features to classes. Without torch."""

import dataclasses

import numpy as np

KINDS = ("logistic", "knn", "ridge")


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """A fitted head; `fit_head` makes one.

    Arguments
    ---------
    kind: str
    classes: list of str
        What the columns of its probabilities stand for; one that was not seen in training has probability 0.
    scale: float
        Features are divided by it before the estimator sees them.
    estimator: scikit-learn classifier
    """

    kind: str
    classes: list
    scale: float
    estimator: object

    def predict(self, values):
        """Return (n, n_classes) float64 probabilities of (n, n_features) values."""
        values = np.asarray(values, dtype=np.float32) / np.float32(self.scale)
        probabilities = np.zeros((len(values), len(self.classes)))
        if len(values) == 0:
            return probabilities
        if self.kind == "ridge":  # a ridge has scores, no probabilities; the softmax keeps their order
            scores = self.estimator.decision_function(values)
            scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
            seen = np.exp(scores - scores.max(axis=1, keepdims=True))
            seen /= seen.sum(axis=1, keepdims=True)
        else:
            seen = self.estimator.predict_proba(values)
        probabilities[:, self.estimator.classes_] = seen
        return probabilities

    def score(self, features):
        """Return the share of `Features` whose class has the highest probability."""
        return float(np.mean(self.predict(features.values).argmax(axis=1) == features.labels))

    def linear(self):
        """Return a logistic head as (weight, bias): (n_classes, n_features) and (n_classes,) float32.

        A class that was not seen in training gets a bias so low that it is never predicted.
        """
        if self.kind != "logistic":
            raise ValueError(f"kind: a {self.kind} head is no linear layer of log-probabilities; fit a 'logistic' one")
        coefficients, intercepts = self.estimator.coef_ / self.scale, self.estimator.intercept_
        if len(coefficients) == 1:  # scikit-learn keeps one row for two classes: the difference of their scores
            coefficients, intercepts = (
                np.stack([-coefficients[0], coefficients[0]]) / 2,
                np.array([-1, 1]) * intercepts / 2,
            )
        weight = np.zeros((len(self.classes), coefficients.shape[1]), np.float32)
        bias = np.full(len(self.classes), -30.0, np.float32)
        weight[self.estimator.classes_], bias[self.estimator.classes_] = coefficients, intercepts
        return weight, bias


def fit_head(features, kind="logistic", *, strength=10.0, n_neighbors=5):
    """Fit a head on features; deterministic.

    Arguments
    ---------
    features: Features
    kind: "logistic", "knn" or "ridge"
        Multinomial logistic regression, solved to convergence (the linear probe); the nearest neighbours by cosine;
        ridge regression on the classes as ±1.
    strength: float
        Of the penalty on the squared weights of features whose overall standard deviation is 1; more shrinks more.
    n_neighbors: int
        Only for "knn"; no more than there are pictures are asked.

    Returns a `Head`. Raises ValueError for features of one class only, or with NaN.

    >>> from tlkit.features.features import Features
    >>> values = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.2]], dtype=np.float32)
    >>> names = np.array(["a", "b", "c", "d"])
    >>> features = Features(values, np.array([0, 0, 1, 1]), ["bird", "bug"], names, names, {})
    >>> fit_head(features).predict([[0.0, 0.8]]).argmax(axis=1)
    array([0])
    """
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from threadpoolctl import threadpool_limits

    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r}, expected one of {', '.join(KINDS)}")
    if not strength > 0:
        raise ValueError(f"strength: {strength}, expected more than 0")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors: {n_neighbors}, expected 1 or more")
    present = np.unique(features.labels)
    if len(present) < 2:
        raise ValueError(f"features: {len(features)} pictures of {len(present)} class, expected two classes or more")
    if not np.isfinite(features.values).all():
        raise ValueError(
            "features: some values are NaN or infinite; extract them again, and check the network's weights"
        )
    estimators = {
        "logistic": LogisticRegression(C=1 / strength, tol=1e-6, max_iter=5000),
        "knn": KNeighborsClassifier(min(n_neighbors, len(features)), metric="cosine", weights="distance"),
        "ridge": RidgeClassifier(alpha=strength * len(features)),
    }
    # One factor for all features: those of a network share a unit, and a factor for each would blow up the silent ones.
    scale = float(features.values.std()) or 1.0
    values = features.values / np.float32(scale)
    # On small matrices several BLAS threads wait for each other longer than they compute, and change the last bits.
    with threadpool_limits(1):
        if kind == "logistic":
            # Around their mean, in float64: the same solution but for the intercepts. Without either, the solver stops
            # where probabilities are still off by a hundredth.
            centre = values.mean(axis=0, dtype=np.float64)
            estimator = estimators[kind].fit(values - centre, features.labels)
            estimator.intercept_ = estimator.intercept_ - estimator.coef_ @ centre
        else:
            estimator = estimators[kind].fit(values, features.labels)
    return Head(kind, list(features.classes), scale, estimator)
