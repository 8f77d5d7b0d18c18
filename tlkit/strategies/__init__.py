"""Strategies: lists of phases, the catalogue of the known ones, and what runs them."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
