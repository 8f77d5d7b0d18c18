"""Choose a network before training it: scores of transferability, costs, and their agreement with accuracy."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
