"""Whether what is said with 0.9 comes true nine times in ten, as far as so few pictures can tell. Without torch."""

import dataclasses
import warnings

import numpy as np

from tlkit.arguments import check_count, check_known, check_number, check_predictions
from tlkit.evaluation.intervals import LEVEL
from tlkit.evaluation.proper_scores import measure_brier, measure_log_loss
from tlkit.heads.numerics import softmax

N_BINS = 15
BINNINGS = ("width", "mass")
_NUMBERS_AT_ONCE = 2**22  # draws × pictures of a simulation, 32 MiB


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """How well probabilities keep their word; `measure_calibration` makes one.

    Arguments
    ---------
    brier, log_loss: float
        As `measure_brier` and `measure_log_loss` give them. They are proper scores and come first: an error below can
        be made small by saying the same of every picture.
    error: float
        The expected calibration error, 0 to 1, as `measure_calibration_error` gives it.
    calibrated_mean, calibrated_high: float
        What the error would be on average, and at most in 95 of 100 draws, on these very pictures if every probability
        were true.
    confidence, accuracy: float
        Mean probability of the predicted class, and the share of the pictures where it is the true one.
    table: DataFrame
        As `tabulate_reliability` gives it.
    n: int
        Pictures.
    binning: "width" or "mass"
    """

    brier: float
    log_loss: float
    error: float
    calibrated_mean: float
    calibrated_high: float
    confidence: float
    accuracy: float
    table: object
    n: int
    binning: str

    @property
    def is_off(self):
        """Whether the error is larger than so many pictures give a network whose every probability is true."""
        return self.error > self.calibrated_high

    @property
    def sentence(self):
        """All of it in words."""
        if not self.is_off:
            verdict = "no more than true probabilities would show"
        elif self.confidence > self.accuracy:
            verdict = "more than true probabilities would show: too sure"
        else:
            verdict = "more than true probabilities would show: not sure enough"
        return (
            f"Brier score {self.brier:.3f}, log loss {self.log_loss:.3f}; said with {self.confidence:.2f} on average, "
            f"right with {self.accuracy:.2f}. Calibration error {self.error:.3f} on {self.n} pictures, {verdict} "
            f"(up to {self.calibrated_high:.3f})."
        )

    def __repr__(self):
        return f"Calibration({self.sentence})"


def measure_calibration(probabilities, labels, *, n_bins=N_BINS, binning="width", n_draws=1000, seed=0):
    """Measure whether probabilities come true as often as they say, beside what chance alone does on so few pictures.

    Even a network whose every probability is true has an error above 0, since few pictures fall into each bin. How
    large it is is simulated: labels are drawn anew by the network's own probabilities (Bröcker and Smith 2007,
    Increasing the reliability of reliability diagrams; Vaicenavicius et al. 2019, Evaluating model calibration in
    classification). Pictures are drawn one by one: where groups are alike, true probabilities may show larger errors.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int
        Columns of `probabilities`.
    n_bins, binning
        As in `measure_calibration_error`.
    n_draws: int
        Of the simulation.
    seed: int
        Of the simulation.

    Returns a `Calibration`. Raises TypeError or ValueError as `measure_calibration_error`.

    >>> measure_calibration(np.full((100, 2), 0.5), np.arange(100) % 2).is_off
    False
    >>> measure_calibration(np.tile([0.99, 0.01], (100, 1)), np.arange(100) % 2).is_off
    True
    """
    confidences, right, edges = _sort_out(probabilities, labels, n_bins, binning)
    bins = _find_bins(confidences, edges)
    of_bins = _simulate(confidences, bins, len(edges) - 1, n_draws, seed)
    errors = np.abs(of_bins - np.bincount(bins, confidences, len(edges) - 1)).sum(axis=1) / len(right)
    return Calibration(
        brier=measure_brier(probabilities, labels),
        log_loss=measure_log_loss(probabilities, labels),
        error=measure_calibration_error(probabilities, labels, n_bins=n_bins, binning=binning),
        calibrated_mean=float(errors.mean()),
        calibrated_high=float(np.quantile(errors, LEVEL)),
        confidence=float(confidences.mean()),
        accuracy=float(right.mean()),
        table=_tabulate(confidences, right, edges, of_bins),
        n=len(right),
        binning=binning,
    )


def measure_calibration_error(probabilities, labels, *, n_bins=N_BINS, binning="width"):
    """Return the expected calibration error (ECE): how far accuracy is from confidence in a bin, on average.

    Each bin counts by its pictures, with their mean confidence.

    Naeini, Cooper and Hauskrecht 2015 (Obtaining well calibrated probabilities using Bayesian binning); for several
    classes, by the probability of the predicted one, Guo et al. 2017 (On calibration of modern neural networks), whose
    15 bins of equal width, each with its upper edge, are the default.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int
        Columns of `probabilities`.
    n_bins: int
    binning: "width" or "mass"
        Bins of equal width from 0 to 1, or between quantiles of the confidences, so that each has about as many
        pictures; equal confidences stay together.

    Returns a float, 0 to 1; on few pictures it is well above 0 whatever the network, so take `measure_calibration`.
    Raises TypeError or ValueError, naming the argument, for what can't be probabilities with a label each.

    >>> round(measure_calibration_error([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0]), 3)
    0.4
    """
    confidences, right, edges = _sort_out(probabilities, labels, n_bins, binning)
    differences = np.bincount(_find_bins(confidences, edges), right - confidences, len(edges) - 1)
    return float(np.abs(differences).sum() / len(right))


def tabulate_reliability(probabilities, labels, *, n_bins=N_BINS, binning="width", n_draws=1000, seed=0):
    """Return what a reliability diagram shows, as a DataFrame: a row a bin that has pictures.

    low, high (edges); n; confidence and accuracy (means); accuracy_low, accuracy_high (Wilson's 95 % interval of the
    true accuracy); calibrated_low, calibrated_high (where the accuracy lies in 95 of 100 draws of labels by the
    network's own probabilities). Arguments and errors are those of `measure_calibration`.

    >>> table = tabulate_reliability([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0])
    >>> table[["n", "confidence", "accuracy"]].round(2).values.tolist()
    [[1.0, 0.6, 1.0], [2.0, 0.9, 0.5]]
    """
    confidences, right, edges = _sort_out(probabilities, labels, n_bins, binning)
    of_bins = _simulate(confidences, _find_bins(confidences, edges), len(edges) - 1, n_draws, seed)
    return _tabulate(confidences, right, edges, of_bins)


def _sort_out(probabilities, labels, n_bins, binning):
    """Return (confidences, whether right as 0 or 1, edges of bins)."""
    probabilities, labels = check_predictions(probabilities, labels)
    n_bins = check_count("n_bins", n_bins, 1)
    check_known("binning", [binning], BINNINGS)
    confidences = np.minimum(probabilities.max(axis=1), 1.0)  # rounding may leave a hair more than 1
    edges = np.linspace(0, 1, n_bins + 1)
    if binning == "mass":
        edges = np.unique(np.concatenate([[0.0], np.quantile(confidences, edges[1:-1]), [1.0]]))
    return confidences, (probabilities.argmax(axis=1) == labels).astype(float), edges


def _find_bins(confidences, edges):
    return np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, len(edges) - 2)


def _simulate(confidences, bins, n_bins, n_draws, seed):
    """Return (n_draws, n_bins) numbers of pictures labelled right, where each is with the chance that it was given."""
    n_draws = check_count("n_draws", n_draws, 1)
    random = np.random.default_rng(check_count("seed", seed, 0))
    membership = np.eye(n_bins)[bins]
    parts, n_at_once = [], max(1, _NUMBERS_AT_ONCE // len(bins))
    for start in range(0, n_draws, n_at_once):
        drawn = random.random((min(n_at_once, n_draws - start), len(bins))) < confidences
        parts.append(drawn @ membership)
    return np.concatenate(parts)


def _tabulate(confidences, right, edges, of_bins):
    import pandas as pd
    from scipy.stats import binomtest

    bins, rows = _find_bins(confidences, edges), []
    for place in np.unique(bins):
        here = bins == place
        n, n_right = int(here.sum()), int(right[here].sum())
        interval = binomtest(n_right, n).proportion_ci(LEVEL, method="wilson")
        band = np.quantile(of_bins[:, place] / n, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        means = confidences[here].mean(), n_right / n
        rows.append((edges[place], edges[place + 1], n, *means, interval.low, interval.high, *band))
    columns = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*columns, "calibrated_low", "calibrated_high"]).astype({"n": int})


# Beyond these probabilities are 0 and 1, or all alike, for whatever a network says.
LOWEST, HIGHEST = 0.01, 100.0
_FLAT = 1e-12  # a slope that is nothing but rounding


def fit_temperature(probabilities, labels):
    """Return the temperature with the smallest log loss on pictures that the head did not learn from.

    Guo, Pleiss, Sun and Weinberger 2017 (On calibration of modern neural networks): scores are divided by one number,
    above 1 where the network is too sure, below 1 where it is not sure enough. The order of the classes stays, and with
    it the accuracy. In the inverse of the temperature the log loss is convex, so its one minimum is where its slope is
    0, which is found by bisection; Guo et al. search by gradient descent. We take probabilities, whose logarithms are
    the scores but for what is the same for all classes of a picture, and drops out.

    Arguments
    ---------
    probabilities: (n, n_classes)
        Of pictures held out of training, and out of the test; for scores of a network, apply softmax first.
    labels: (n,) int
        Columns of `probabilities`.

    Returns a float, 0.01 to 100. Warns where the log loss falls all the way to one of these ends: where every picture
    is labelled right, or what was said is no better than nothing. Raises ValueError where a true class has probability
    0, which no temperature changes, and as `measure_brier` does.

    >>> round(fit_temperature(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]), [0, 1, 1]), 2)
    3.17
    """
    probabilities, labels = check_predictions(probabilities, labels)
    of_truth = probabilities[np.arange(len(labels)), labels]
    if n_ruled_out := int((of_truth == 0).sum()):
        raise ValueError(
            f"probabilities: 0 for the true class of {n_ruled_out} of {len(labels)} pictures, which no temperature "
            "changes; leave these pictures out, or take a head that rules no class out (not 'knn')"
        )
    scores = _find_scores(probabilities)
    finite = np.where(np.isfinite(scores), scores, 0.0)  # 0 times minus infinity is no number

    def find_slope(inverse):
        # Of the log loss over the inverse temperature: what the classes' scores are on average, less the true class's.
        return float(((softmax(inverse * scores) * finite).sum(axis=1) - np.log(of_truth)).mean())

    if find_slope(1 / LOWEST) < _FLAT:
        return _stop_at(LOWEST, "every picture is labelled right, or nearly, so that surer is always better")
    if find_slope(1 / HIGHEST) > -_FLAT:
        return _stop_at(HIGHEST, "what was said is no better than nothing")
    from scipy.optimize import brentq

    return float(1 / brentq(find_slope, 1 / HIGHEST, 1 / LOWEST, xtol=1e-12))


def apply_temperature(probabilities, temperature):
    """Return (n, n_classes) probabilities whose scores are divided by a temperature, which 1 leaves as they are.

    Guo et al. 2017, as `fit_temperature` says. A probability of 0 stays 0.

    Arguments
    ---------
    probabilities: (n, n_classes)
    temperature: float
        Above 0.

    Raises ValueError for another temperature, TypeError or ValueError for what can't be probabilities.

    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3)
    array([[0.667, 0.333]])
    """
    temperature = check_number("temperature", temperature, above=0)
    probabilities, _ = check_predictions(probabilities, np.zeros(len(probabilities), np.int64))
    return softmax(_find_scores(probabilities) / temperature)


def _find_scores(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


def _stop_at(temperature, reason):
    warnings.warn(f"labels: {reason}; temperature {temperature:g} is taken. Hold out more pictures", stacklevel=3)
    return temperature
