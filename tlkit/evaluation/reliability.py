"""Reliability: confidence against accuracy in bins, and the expected calibration error. Without torch."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tlkit.arguments import check_count, check_known, check_predictions
from tlkit.evaluation.intervals import percentile_interval, wilson_interval

N_BINS = 15
BINNINGS = ("width", "mass")
_NUMBERS_AT_ONCE = 2**22  # draws × pictures of a simulation, 32 MiB


def measure_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, n_bins: int = N_BINS, binning: str = "width"
) -> float:
    """Compute the expected calibration error (ECE): the mean gap between accuracy and confidence.

    Parameters
    ----------
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.
    n_bins : int, default 15
        Number of bins.
    binning : {"width", "mass"}, default "width"
        Bins of equal width from 0 to 1, each with its upper edge; or with about equally many pictures.

    Returns
    -------
    float
        The error, 0 to 1, weighted by pictures; high for any network on few pictures, see `measure_calibration`.

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
    confidences, is_right, bins, edges = assign_bins(probabilities, labels, n_bins, binning)
    differences = np.bincount(bins, is_right - confidences, len(edges) - 1)
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
    binned = assign_bins(probabilities, labels, n_bins, binning)
    return tabulate_bins(*binned, simulate_right(*binned, n_draws, seed))


def assign_bins(probabilities, labels, n_bins, binning):
    """Return (n,) confidences, 1 or 0 for right or wrong, and bins, which contain their upper edges; and the edges."""
    probabilities, labels = check_predictions(probabilities, labels)
    n_bins = check_count("n_bins", n_bins, 1)
    check_known("binning", [binning], BINNINGS)
    confidences = np.minimum(probabilities.max(axis=1), 1.0)  # rounding can give slightly more than 1
    edges = np.linspace(0, 1, n_bins + 1)
    if binning == "mass":
        edges = np.unique(np.concatenate([[0.0], np.quantile(confidences, edges[1:-1]), [1.0]]))
    bins = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, len(edges) - 2)
    return confidences, (probabilities.argmax(axis=1) == labels).astype(float), bins, edges


def simulate_right(confidences, is_right, bins, edges, n_draws, seed):
    """Return (n_draws, n_bins) numbers of right predictions if each is right with its confidence as probability."""
    n_draws = check_count("n_draws", n_draws, 1)
    random = np.random.default_rng(check_count("seed", seed, 0))
    membership = np.eye(len(edges) - 1)[bins]
    parts, n_at_once = [], max(1, _NUMBERS_AT_ONCE // len(bins))
    for start in range(0, n_draws, n_at_once):
        drawn = random.random((min(n_at_once, n_draws - start), len(bins))) < confidences
        parts.append(drawn @ membership)
    return np.concatenate(parts)


def tabulate_bins(confidences, is_right, bins, edges, n_right):
    """Return the reliability table from the results of `assign_bins` and simulated counts (n_draws, n_bins)."""
    rows = []
    for index in np.unique(bins):
        inside = bins == index
        n, n_inside_right = int(inside.sum()), int(is_right[inside].sum())
        means = confidences[inside].mean(), n_inside_right / n
        intervals = *wilson_interval(n_inside_right, n), *percentile_interval(n_right[:, index] / n)
        rows.append((edges[index], edges[index + 1], n, *means, *intervals))
    columns = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*columns, "calibrated_low", "calibrated_high"]).astype({"n": int})
