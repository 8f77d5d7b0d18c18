"""Labelled texts: bundled, in a folder, a table or a list. Without torch."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
