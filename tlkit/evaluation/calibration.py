"""Calibration: do predictions with a probability of 0.9 come true nine times in ten? Without torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tlkit.arguments import check_count, check_known, check_predictions
from tlkit.evaluation.intervals import LEVEL, percentile_interval, wilson_interval
from tlkit.evaluation.proper_scores import measure_brier, measure_log_loss

if TYPE_CHECKING:
    import pandas as pd

N_BINS = 15
BINNINGS = ("width", "mass")
_NUMBERS_AT_ONCE = 2**22  # draws × pictures of a simulation, 32 MiB


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Agreement between predicted probabilities and outcomes, as `measure_calibration` returns it.

    Parameters
    ----------
    brier, log_loss : float
        Proper scores, see `measure_brier` and `measure_log_loss`. Read them first: an error near 0 can also be reached
        by predicting the same probabilities for every picture.
    error : float
        Expected calibration error, 0 to 1, see `measure_calibration_error`.
    calibrated_mean, calibrated_high : float
        Error of perfectly calibrated probabilities on the same pictures, by simulation: mean and 95 % quantile.
    confidence, accuracy : float
        Mean probability of the predicted class, and share of pictures predicted correctly.
    table : DataFrame
        The reliability table, see `tabulate_reliability`.
    n : int
        Number of pictures.
    binning : str
        "width" or "mass".

    Examples
    --------
    >>> calibration = measure_calibration(np.tile([0.99, 0.01], (100, 1)), np.arange(100) % 2)
    >>> calibration.is_miscalibrated, round(calibration.error, 2)
    (True, 0.49)
    """

    brier: float
    log_loss: float
    error: float
    calibrated_mean: float
    calibrated_high: float
    confidence: float
    accuracy: float
    table: pd.DataFrame
    n: int
    binning: str

    @property
    def is_miscalibrated(self) -> bool:
        """Whether the error exceeds the error of 95 % of perfectly calibrated networks."""
        return self.error > self.calibrated_high

    @property
    def sentence(self) -> str:
        """The scores and their interpretation in words."""
        return (
            f"Brier score {self.brier:.3f}, log loss {self.log_loss:.3f}; mean confidence {self.confidence:.2f}, "
            f"accuracy {self.accuracy:.2f}: {self.verdict}. Calibration error {self.error:.3f} on {self.n} pictures; "
            f"perfect calibration would give up to {self.calibrated_high:.3f}."
        )

    @property
    def verdict(self) -> str:
        """Either "overconfident", "underconfident" or "no sign of miscalibration"."""
        if not self.is_miscalibrated:
            return "no sign of miscalibration"
        return "overconfident" if self.confidence > self.accuracy else "underconfident"

    def __repr__(self):
        return f"Calibration({self.sentence})"


def measure_calibration(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = N_BINS,
    binning: str = "width",
    n_draws: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Measure whether predicted probabilities match outcomes, and which error chance alone would cause.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        Predicted probabilities.
    labels : array-like of int, shape (n,)
        True classes, as columns of `probabilities`.
    n_bins, binning : int, {"width", "mass"}
        As in `measure_calibration_error`.
    n_draws, seed : int
        Number of simulations (default 1000), and their seed.

    Returns
    -------
    Calibration
        Scores, errors and the reliability table.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or `labels` are not columns of `probabilities`.

    Notes
    -----
    Few pictures fall into each bin, so even perfectly calibrated probabilities have an error above 0. Its size is
    simulated: labels are drawn from the predicted probabilities, independently for each picture. If the pictures of a
    group are alike, calibrated probabilities can have larger errors than the simulated ones.

    References
    ----------
    Bröcker and Smith 2007, Increasing the reliability of reliability diagrams.
    Vaicenavicius et al. 2019, Evaluating model calibration in classification.

    Examples
    --------
    >>> measure_calibration(np.full((100, 2), 0.5), np.arange(100) % 2).verdict
    'no sign of miscalibration'
    """
    confidences, is_right, edges = _assign_bins(probabilities, labels, n_bins, binning)
    bins = _find_bins(confidences, edges)
    n_right = _simulate(confidences, bins, len(edges) - 1, n_draws, seed)
    errors = np.abs(n_right - np.bincount(bins, confidences, len(edges) - 1)).sum(axis=1) / len(is_right)
    return Calibration(
        brier=measure_brier(probabilities, labels),
        log_loss=measure_log_loss(probabilities, labels),
        error=measure_calibration_error(probabilities, labels, n_bins=n_bins, binning=binning),
        calibrated_mean=float(errors.mean()),
        calibrated_high=float(np.quantile(errors, LEVEL)),
        confidence=float(confidences.mean()),
        accuracy=float(is_right.mean()),
        table=_tabulate(confidences, is_right, edges, n_right),
        n=len(is_right),
        binning=binning,
    )


def measure_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, n_bins: int = N_BINS, binning: str = "width"
) -> float:
    """Compute the expected calibration error (ECE): the mean gap between accuracy and confidence.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        Predicted probabilities.
    labels : array-like of int, shape (n,)
        True classes, as columns of `probabilities`.
    n_bins : int, default 15
        Number of bins.
    binning : {"width", "mass"}, default "width"
        Bins of equal width from 0 to 1, each with its upper edge; or bins between quantiles of the confidences, so
        that each has about equally many pictures. Equal confidences share a bin.

    Returns
    -------
    float
        The error, 0 to 1, with bins weighted by their number of pictures. With few pictures it is well above 0 for
        any network; `measure_calibration` takes this into account.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or `labels` are not columns of `probabilities`.

    References
    ----------
    Naeini, Cooper and Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian binning.
    Guo et al. 2017, On calibration of modern neural networks (several classes, by the predicted one).

    Examples
    --------
    >>> round(measure_calibration_error([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0]), 3)
    0.4
    """
    confidences, is_right, edges = _assign_bins(probabilities, labels, n_bins, binning)
    differences = np.bincount(_find_bins(confidences, edges), is_right - confidences, len(edges) - 1)
    return float(np.abs(differences).sum() / len(is_right))


def tabulate_reliability(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = N_BINS,
    binning: str = "width",
    n_draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate confidence and accuracy by bin, the data of a reliability diagram.

    Parameters
    ----------
    probabilities, labels, n_bins, binning, n_draws, seed : array-like, int or str
        As in `measure_calibration`.

    Returns
    -------
    DataFrame
        One row per bin that has pictures, with the columns:

        - low, high (float): edges of the bin.
        - n (int): number of pictures.
        - confidence (float): mean probability of the predicted class.
        - accuracy (float): share of pictures predicted correctly.
        - accuracy_low, accuracy_high (float): Wilson's 95 % confidence interval of the accuracy.
        - calibrated_low, calibrated_high (float): 95 % of the simulated accuracies of calibrated probabilities.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or `labels` are not columns of `probabilities`.

    Examples
    --------
    >>> table = tabulate_reliability([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0])
    >>> table[["n", "confidence", "accuracy"]].round(2).values.tolist()
    [[1.0, 0.6, 1.0], [2.0, 0.9, 0.5]]
    """
    confidences, is_right, edges = _assign_bins(probabilities, labels, n_bins, binning)
    n_right = _simulate(confidences, _find_bins(confidences, edges), len(edges) - 1, n_draws, seed)
    return _tabulate(confidences, is_right, edges, n_right)


def _assign_bins(probabilities, labels, n_bins, binning):
    """Return the confidences (n,), whether each prediction is right (n,) as 0 or 1, and the edges of the bins."""
    probabilities, labels = check_predictions(probabilities, labels)
    n_bins = check_count("n_bins", n_bins, 1)
    check_known("binning", [binning], BINNINGS)
    confidences = np.minimum(probabilities.max(axis=1), 1.0)  # rounding can give slightly more than 1
    edges = np.linspace(0, 1, n_bins + 1)
    if binning == "mass":
        edges = np.unique(np.concatenate([[0.0], np.quantile(confidences, edges[1:-1]), [1.0]]))
    return confidences, (probabilities.argmax(axis=1) == labels).astype(float), edges


def _find_bins(confidences, edges):
    """Return the index of each confidence's bin, (n,) int; a bin contains its upper edge."""
    return np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, len(edges) - 2)


def _simulate(confidences, bins, n_bins, n_draws, seed):
    """Return (n_draws, n_bins) numbers of right predictions if each is right with its confidence as probability."""
    n_draws = check_count("n_draws", n_draws, 1)
    random = np.random.default_rng(check_count("seed", seed, 0))
    membership = np.eye(n_bins)[bins]
    parts, n_at_once = [], max(1, _NUMBERS_AT_ONCE // len(bins))
    for start in range(0, n_draws, n_at_once):
        drawn = random.random((min(n_at_once, n_draws - start), len(bins))) < confidences
        parts.append(drawn @ membership)
    return np.concatenate(parts)


def _tabulate(confidences, is_right, edges, n_right):
    """Return the reliability table from confidences (n,), outcomes (n,) and simulated counts (n_draws, n_bins)."""
    import pandas as pd

    bins, rows = _find_bins(confidences, edges), []
    for index in np.unique(bins):
        inside = bins == index
        n, n_inside_right = int(inside.sum()), int(is_right[inside].sum())
        means = confidences[inside].mean(), n_inside_right / n
        intervals = *wilson_interval(n_inside_right, n), *percentile_interval(n_right[:, index] / n)
        rows.append((edges[index], edges[index + 1], n, *means, *intervals))
    columns = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*columns, "calibrated_low", "calibrated_high"]).astype({"n": int})
