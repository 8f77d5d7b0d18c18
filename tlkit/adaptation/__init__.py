"""Another domain: how far it is, what brings it nearer without labels, and what that was worth."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
