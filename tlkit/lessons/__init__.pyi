from .copies import copy as copy
from .exercise import Check as Check
from .exercise import check as check
from .prediction_scores import score_predictions as score_predictions
from .status import status as status

__all__ = [
    "Check",
    "check",
    "copy",
    "score_predictions",
    "status",
]
