"""Choosing a network before training it: scores of transferability, what they cost, and whether they were right."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
