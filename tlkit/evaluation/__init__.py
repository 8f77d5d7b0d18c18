"""Scores, intervals and verdicts."""

from tlkit.evaluation.gains import transfer_gain
from tlkit.evaluation.scores import Evaluation, evaluate_probabilities

__all__ = ["Evaluation", "evaluate_probabilities", "transfer_gain"]
