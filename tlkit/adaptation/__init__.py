"""Another domain: distances to it, adaptation without its labels, and validators of the result."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
