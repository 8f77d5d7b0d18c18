from .run import Run as Run
from .saved_run import load_run as load_run
from .step import TrainingError as TrainingError
from .transfer import transfer as transfer
from .wise_ft import interpolate_runs as interpolate_runs
from .wise_ft import interpolation_curve as interpolation_curve

__all__ = [
    "Run",
    "TrainingError",
    "interpolate_runs",
    "interpolation_curve",
    "load_run",
    "transfer",
]
