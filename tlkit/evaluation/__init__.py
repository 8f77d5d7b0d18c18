"""Scores, intervals and verdicts."""

from tlkit.evaluation.calibration import (
    Calibration,
    apply_temperature,
    fit_temperature,
    measure_calibration,
    measure_calibration_error,
    tabulate_reliability,
)
from tlkit.evaluation.gains import transfer_gain
from tlkit.evaluation.proper_scores import measure_brier, measure_log_loss
from tlkit.evaluation.scores import Evaluation, evaluate_probabilities

__all__ = [
    "Calibration",
    "Evaluation",
    "apply_temperature",
    "evaluate_probabilities",
    "fit_temperature",
    "measure_brier",
    "measure_calibration",
    "measure_calibration_error",
    "measure_log_loss",
    "tabulate_reliability",
    "transfer_gain",
]
