"""Looking into what a network is given, and what it makes of it."""

from tlkit.inspection.preprocessing import PreprocessingCheck, check_preprocessing

__all__ = ["PreprocessingCheck", "check_preprocessing"]
