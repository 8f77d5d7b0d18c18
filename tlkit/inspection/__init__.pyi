from .diagnosis import diagnose as diagnose
from .heat_maps import grad_cam as grad_cam
from .heat_maps import integrated_gradients as integrated_gradients
from .label_damage import measure_label_damage as measure_label_damage
from .label_errors import find_label_errors as find_label_errors
from .leaks import find_leaks as find_leaks
from .leaks import measure_leak as measure_leak
from .near_duplicates import find_near_duplicates as find_near_duplicates
from .network_inputs import show_inputs as show_inputs
from .preprocessing import check_preprocessing as check_preprocessing
from .random_weights import study_heat_maps as study_heat_maps
from .similarity import cka as cka
from .similarity import compare_stages as compare_stages
from .training_curves import summarise_training as summarise_training
from .weight_distance import measure_weight_distance as measure_weight_distance

__all__ = [
    "check_preprocessing",
    "cka",
    "compare_stages",
    "diagnose",
    "find_label_errors",
    "find_leaks",
    "find_near_duplicates",
    "grad_cam",
    "integrated_gradients",
    "measure_label_damage",
    "measure_leak",
    "measure_weight_distance",
    "show_inputs",
    "study_heat_maps",
    "summarise_training",
]
