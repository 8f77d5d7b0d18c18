from .study import Study as Study
from .study_results import StudyResults as StudyResults

__all__ = ["Study", "StudyResults"]
