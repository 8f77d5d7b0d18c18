"""Looking into what a network is given, what it makes of it, and what a training did to it."""

import importlib

# Imported when first used: each needs something else, and little of it.
_HOMES = {
    "Diagnosis": "diagnosing",
    "PreprocessingCheck": "preprocessing",
    "TrainingCurves": "training_curves",
    "check_preprocessing": "preprocessing",
    "cka": "similarity",
    "cka_band": "similarity",
    "compare_stages": "stage_similarity",
    "diagnose": "diagnosing",
    "feature_maps": "channels",
    "find_exciting": "channels",
    "find_label_errors": "label_errors",
    "find_leaks": "leaks",
    "find_near_duplicates": "near_duplicates",
    "grad_cam": "heat_maps",
    "integrated_gradients": "heat_maps",
    "measure_label_damage": "label_damage",
    "measure_leak": "leak_costs",
    "measure_weight_distance": "weight_distance",
    "randomize": "randomizing",
    "read_training": "training_curves",
    "show_squares": "scoring",
    "study_heat_maps": "randomizing",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"tlkit.inspection has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"tlkit.inspection.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
