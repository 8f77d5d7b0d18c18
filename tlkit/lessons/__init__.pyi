from .exercise import Check as Check
from .exercise import check as check
from .prediction_scores import PredictionScores as PredictionScores
from .prediction_scores import score_predictions as score_predictions

__all__ = [
    "Check",
    "PredictionScores",
    "check",
    "score_predictions",
]
