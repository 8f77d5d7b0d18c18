"""Inspection of a trained network: checks of data, predictions, features and weights."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
