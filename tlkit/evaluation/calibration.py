"""Calibration: do predictions with a probability of 0.9 come true nine times in ten? Without torch."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tlkit.evaluation.intervals import LEVEL
from tlkit.evaluation.reliability import N_BINS, assign_bins, measure_calibration_error, simulate_right, tabulate_bins
from tlkit.evaluation.scores import measure_brier, measure_log_loss


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
    table, n, binning : DataFrame, int and {"width", "mass"}
        The reliability table, see `tabulate_reliability`, the number of pictures, and the kind of bins.

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
    probabilities, labels : array-like of shape (n, n_classes), and of int, shape (n,)
        Predicted probabilities, and true classes as their columns.
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
    confidences, is_right, bins, edges = binned = assign_bins(probabilities, labels, n_bins, binning)
    n_right = simulate_right(*binned, n_draws, seed)
    errors = np.abs(n_right - np.bincount(bins, confidences, len(edges) - 1)).sum(axis=1) / len(is_right)
    return Calibration(
        brier=measure_brier(probabilities, labels),
        log_loss=measure_log_loss(probabilities, labels),
        error=measure_calibration_error(probabilities, labels, n_bins=n_bins, binning=binning),
        calibrated_mean=float(errors.mean()),
        calibrated_high=float(np.quantile(errors, LEVEL)),
        confidence=float(confidences.mean()),
        accuracy=float(is_right.mean()),
        table=tabulate_bins(*binned, n_right),
        n=len(is_right),
        binning=binning,
    )
