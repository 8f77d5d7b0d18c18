"""Labelled pictures: bundled, in a folder, in a zip or in a list, without torch."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
