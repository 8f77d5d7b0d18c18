"""Heads: classifiers on features, which can also become the last layer of a network that is tuned further.

`fit_head` fits one of several kinds, each in a module of this folder. Only the convolutional head needs torch to be
fitted and to predict."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
