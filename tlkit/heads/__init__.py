"""Heads: what maps features to classes, and becomes the last layer of a network that is tuned further.

`fit_head` fits one of several kinds; each kind is a module of this folder. All but the convolutional head are fitted
and asked without torch.
"""

from tlkit.heads.head import Head
from tlkit.heads.kinds import KINDS, fit_head

__all__ = ["KINDS", "Head", "fit_head"]
