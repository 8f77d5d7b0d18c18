"""Strategies: lists of phases, the catalogue of the known ones, and what runs them."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
