"""The claims ledger: each empirical sentence of a lesson, with a table of its replications.

A claim is replicated over choices that a careful researcher could have made otherwise, for example the seeds, the
pictures or the learning rate (Steegen et al. 2016). The lessons show how often it holds.
"""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
