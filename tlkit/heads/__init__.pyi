from .head import Head as Head
from .kinds import KINDS as KINDS
from .kinds import fit_head as fit_head

__all__ = [
    "KINDS",
    "Head",
    "fit_head",
]
