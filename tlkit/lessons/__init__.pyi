from .copies import copy as copy
from .exercise import Check as Check
from .exercise import check as check
from .prediction_scores import score_predictions as score_predictions
from .quiz import export_quiz as export_quiz
from .status import status as status

__all__ = [
    "Check",
    "check",
    "copy",
    "export_quiz",
    "score_predictions",
    "status",
]
