"""Strategies: descriptions of a training as a list of phases, and the catalogue of known ones."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
