from .copies import copy as copy
from .enrolment import enrol as enrol
from .enrolment import submit as submit
from .exercise import Check as Check
from .exercise import check as check
from .pooled_results import pool as pool
from .prediction_scores import score_predictions as score_predictions
from .progress_table import status as status
from .quiz import export_quiz as export_quiz
from .sabotage import case as case

__all__ = [
    "Check",
    "case",
    "check",
    "copy",
    "enrol",
    "export_quiz",
    "pool",
    "score_predictions",
    "status",
    "submit",
]
