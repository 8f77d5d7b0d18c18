"""Looking into what a network is given, and what it makes of it."""

from tlkit.inspection.channels import feature_maps, find_exciting
from tlkit.inspection.heat_maps import grad_cam, integrated_gradients
from tlkit.inspection.label_damage import measure_label_damage
from tlkit.inspection.leak_costs import measure_leak
from tlkit.inspection.leaks import find_leaks
from tlkit.inspection.near_duplicates import find_near_duplicates
from tlkit.inspection.preprocessing import PreprocessingCheck, check_preprocessing
from tlkit.inspection.randomizing import randomize, study_heat_maps
from tlkit.inspection.scoring import show_squares
from tlkit.inspection.similarity import cka, cka_band
from tlkit.inspection.stage_similarity import compare_stages

__all__ = [
    "PreprocessingCheck",
    "check_preprocessing",
    "cka",
    "cka_band",
    "compare_stages",
    "feature_maps",
    "find_exciting",
    "find_leaks",
    "find_near_duplicates",
    "grad_cam",
    "integrated_gradients",
    "measure_label_damage",
    "measure_leak",
    "randomize",
    "show_squares",
    "study_heat_maps",
]
