from .exercise import Check as Check
from .exercise import check as check
from .prediction_scores import score_predictions as score_predictions

__all__ = [
    "Check",
    "check",
    "score_predictions",
]
