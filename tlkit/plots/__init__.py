"""All drawing: each function draws on the axes that it is given."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
