"""Looking into what a network is given, and what it makes of it."""

from tlkit.inspection.label_damage import measure_label_damage
from tlkit.inspection.preprocessing import PreprocessingCheck, check_preprocessing

__all__ = ["PreprocessingCheck", "check_preprocessing", "measure_label_damage"]
