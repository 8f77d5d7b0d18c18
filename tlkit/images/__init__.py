"""Labelled pictures: bundled, in a folder, a zip or a list. Without torch."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
