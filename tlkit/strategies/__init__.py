"""Strategies: lists of phases, the catalogue of the known ones, and what runs them."""

import importlib

# Imported when first used: the catalogue and what runs it load torch, descriptions of phases don't.
_HOMES = {
    "augmented": "augmenting",
    "decay_learning_rates": "learning_rates",
    "find": "catalogue",
    "get": "catalogue",
    "interpolate_runs": "interpolating",
    "interpolation_curve": "interpolating",
    "l2_sp": "penalties",
    "names": "catalogue",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"tlkit.strategies has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"tlkit.strategies.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
