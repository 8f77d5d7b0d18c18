"""Labelled pictures: bundled, in a folder, in a zip or in a list, without torch."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
