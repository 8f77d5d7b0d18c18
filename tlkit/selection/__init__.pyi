from .agreement import compare_with_accuracy as compare_with_accuracy
from .candidates import Candidate as Candidate
from .evidence_scores import score_h as score_h
from .evidence_scores import score_logme as score_logme
from .rank_candidates import rank as rank
from .score_warnings import SelectionWarning as SelectionWarning
from .source import predict_source as predict_source
from .source import score_leep as score_leep
from .source import score_nce as score_nce
from .transferability import score_knn as score_knn
from .transferability import score_linear_probe as score_linear_probe

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
