"""Studies: stored, resumable grids of networks, sets, strategies, shots and seeds, on the runner of `compare`."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
