"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
