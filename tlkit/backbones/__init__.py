"""Pretrained networks without their classifiers, and freezing parts of them."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
