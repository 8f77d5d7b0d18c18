"""Looking into what a network is given, what it makes of it, and what a training did to it."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
