"""Heads: what maps features to classes, and becomes the last layer of a network that is tuned further.

`fit_head` fits one of several kinds; each kind is a module of this folder. All but the convolutional head are fitted
and asked without torch."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
