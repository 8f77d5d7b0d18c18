from .calibration import Calibration as Calibration
from .calibration import measure_calibration as measure_calibration
from .gains import transfer_gain as transfer_gain
from .multilabel_evaluation import MultiLabelEvaluation as MultiLabelEvaluation
from .rejection import fit_rejection as fit_rejection
from .reliability import measure_calibration_error as measure_calibration_error
from .reliability import tabulate_reliability as tabulate_reliability
from .scores import Evaluation as Evaluation
from .scores import evaluate_probabilities as evaluate_probabilities
from .scores import measure_brier as measure_brier
from .scores import measure_log_loss as measure_log_loss
from .temperature import apply_temperature as apply_temperature
from .temperature import fit_temperature as fit_temperature

__all__ = [
    "Calibration",
    "Evaluation",
    "MultiLabelEvaluation",
    "apply_temperature",
    "evaluate_probabilities",
    "fit_rejection",
    "fit_temperature",
    "measure_brier",
    "measure_calibration",
    "measure_calibration_error",
    "measure_log_loss",
    "tabulate_reliability",
    "transfer_gain",
]
