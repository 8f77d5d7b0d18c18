"""Choosing a network before training it: scores of transferability, what they cost, and whether they were right."""

from tlkit.selection.agreement import compare_with_accuracy
from tlkit.selection.rank_candidates import Candidate, rank
from tlkit.selection.score_warnings import SelectionWarning
from tlkit.selection.source import predict_source
from tlkit.selection.source_scores import score_leep, score_nce
from tlkit.selection.transferability import score_h, score_knn, score_linear_probe, score_logme

__all__ = [
    "Candidate",
    "SelectionWarning",
    "compare_with_accuracy",
    "predict_source",
    "rank",
    "score_h",
    "score_knn",
    "score_leep",
    "score_linear_probe",
    "score_logme",
    "score_nce",
]
