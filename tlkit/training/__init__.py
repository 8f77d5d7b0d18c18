"""Execute a strategy: one training, from its settings to its `Run`."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
